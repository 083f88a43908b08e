from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from flask_fd_whatsapp import StatusEvent, status_changed

RunCommand = Callable[..., Result]


@pytest.fixture
def run() -> RunCommand:
    """Runs ``flask fd-whatsapp ...`` on an application."""

    def run(app: Flask, *arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["fd-whatsapp", *arguments])

    return run


@pytest.fixture
def sync_ticket() -> Callable[..., None]:
    """A connected handler."""

    def sync_ticket(app: Flask, event: StatusEvent) -> None: ...

    status_changed.connect(sync_ticket)
    return sync_ticket
