from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import abort, redirect

from flask_fd_whatsapp.dashboard import Dashboard

from ..conftest import MakeApp


@pytest.mark.parametrize(
    ("guard", "told"),
    [
        pytest.param(lambda: True, "are shown to anybody", id="open"),
        pytest.param(lambda: None, "let nobody in", id="broken"),
        pytest.param(lambda: False, None, id="closed"),
        pytest.param(lambda: redirect("/login"), None, id="login"),
        pytest.param(lambda: abort(404), None, id="hidden"),
    ],
)
def test_pages_that_strangers_see_are_an_error(
    make_app: MakeApp, guard: Callable[[], Any], told: str | None
) -> None:
    """``check`` requests the pages without a session, and expects anything but a page."""
    app = make_app()
    app.register_blueprint(Dashboard(guard=guard))
    result = app.test_cli_runner().invoke(args=["fd-whatsapp", "check"])
    if told is None:
        assert "The pages" not in result.output
        assert result.exit_code == 0
    else:
        assert told in result.output
        assert "/freshdesk/whatsapp/dashboard/" in result.output
        assert result.exit_code == 1
