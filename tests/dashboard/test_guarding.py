from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort, redirect, request
from werkzeug.exceptions import HTTPException

from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.exceptions import ConfigurationError

from .conftest import PAGES, MakePages


async def nobody_awaits() -> bool:
    return True


def fails() -> bool:
    raise RuntimeError("the session store is down")


REFUSED: list[tuple[str, Callable[[], Any], int]] = [
    ("False", lambda: False, 403),
    ("None", lambda: None, 500),
    ("1", lambda: 1, 500),
    ("a text", lambda: "yes", 500),
    ("a function", lambda: fails, 500),
    ("a coroutine", nobody_awaits, 500),
    ("an exception", fails, 500),
    ("abort", lambda: abort(418), 418),
    ("an answer", lambda: redirect("/login"), 302),
]


def urls(app: Flask) -> list[str]:
    """Every URL of the pages' blueprint, a route added later too."""
    adapter = app.url_map.bind("localhost")
    return [
        adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "style.css"))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("fd_whatsapp_dashboard.")
    ]


@pytest.mark.parametrize(
    ("guard", "status"), [one[1:] for one in REFUSED], ids=[o[0] for o in REFUSED]
)
def test_only_true_lets_in(make_pages: MakePages, guard: Callable[[], Any], status: int) -> None:
    """If a guard returns anything else, nobody sees a page or a static file."""
    app = make_pages(guard=guard)
    app.testing = False
    found = urls(app)
    assert len(found) >= 11
    for url in found:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = app.test_client().open(url, method=method)
            assert answer.status_code == status, (method, url)
            assert "WhatsApp messages" not in answer.text


def test_the_guard_is_asked_before_every_request_in_its_context(make_pages: MakePages) -> None:
    """The guard is called once for each URL, static files included, and knows which it is."""
    asked: list[str] = []

    def guard() -> bool:
        asked.append(request.path)
        return True

    app = make_pages(guard=guard)
    for url in urls(app):
        asked.clear()
        app.test_client().get(url, buffered=True)
        assert asked == [url]


def test_a_guard_that_gives_something_else_is_logged_once_a_minute(
    make_pages: MakePages, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what the guard returned, and what it should return."""
    client = make_pages(guard=lambda: None).test_client()
    with caplog.at_level(logging.ERROR, "flask_fd_whatsapp"):
        client.get(f"{PAGES}/")
        client.get(f"{PAGES}/")
    (record,) = caplog.records
    assert "gave a NoneType, and lets nobody in" in record.getMessage()


def test_a_guard_that_raises_is_logged_with_its_traceback(
    make_pages: MakePages, caplog: pytest.LogCaptureFixture
) -> None:
    """The exception is logged, and not shown to the visitor."""
    client = make_pages(guard=fails).test_client()
    with caplog.at_level(logging.ERROR, "flask_fd_whatsapp"):
        answer = client.get(f"{PAGES}/")
    assert "session store" not in answer.text
    assert "session store" in caplog.text


def test_the_hosts_own_error_pages_are_shown(make_pages: MakePages) -> None:
    """A host's error handler for 403 renders the answer, which has the pages' headers."""
    app = make_pages(guard=lambda: False)

    @app.errorhandler(HTTPException)
    def own(error: HTTPException) -> tuple[str, int]:
        return f"own page for {error.code}", error.code or 500

    answer = app.test_client().get(f"{PAGES}/")
    assert (answer.status_code, answer.text) == (403, "own page for 403")
    assert answer.headers["Cache-Control"] == "no-store"


def test_there_is_no_way_without_a_guard() -> None:
    """Pages without a guard function cannot be created."""
    with pytest.raises(TypeError, match="guard"):
        Dashboard()  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="guard has to be a function"):
        Dashboard(guard=True)  # type: ignore[arg-type]
