"""Handlers are called as in a retry: the webhook's request is not visible."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from flask import Flask, current_app, g, has_request_context, request, session, url_for

from flask_fd_whatsapp import event_dead, handler_failed, status_received, webhook_rejected
from flask_fd_whatsapp.handling.calling import call
from flask_fd_whatsapp.receiving.sweep import sweep

from ..answers import client_of
from ..conftest import TOKEN, URL, MakeApp, Payload

tenant: ContextVar[str] = ContextVar("tenant", default="none")


def outcome_of(look: Callable[[], Any]) -> Any:
    """What a look gives, or the type of what it raises."""
    try:
        return look()
    except Exception as error:
        return type(error)


def seen() -> dict[str, Any]:
    """What a handler can see of a request."""
    return {
        "has_request_context": has_request_context(),
        "request": outcome_of(lambda: request.path),
        "bool(request)": bool(request),
        "session": outcome_of(lambda: session.get("user")),
        "url_for": outcome_of(lambda: url_for("static", filename="a.css", _external=True)),
        "app": current_app.name,
        "g": sorted(g),
    }


NO_REQUEST = {
    "has_request_context": False,
    "request": RuntimeError,
    "bool(request)": False,
    "session": RuntimeError,
    "url_for": RuntimeError,
    "app": "host",
    "g": [],
}


@pytest.fixture
def looks() -> list[dict[str, Any]]:
    """What each handler saw, in the order in which they were called."""
    return []


@pytest.fixture
def look(looks: list[dict[str, Any]]) -> Callable[..., None]:
    def handler(sender: Flask, **arguments: Any) -> None:
        looks.append(seen())
        g.left = "by a handler"

    return handler


@pytest.fixture(params=[None, "shop.example"])
def server_name(request: pytest.FixtureRequest) -> str | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def expected(server_name: str | None) -> dict[str, Any]:
    """What is seen in a retry, with and without ``SERVER_NAME``."""
    url = f"http://{server_name}/static/a.css" if server_name else RuntimeError
    return {**NO_REQUEST, "url_for": url}


@pytest.fixture
def hosts(make_app: MakeApp, server_name: str | None) -> MakeApp:
    def make(**settings: Any) -> Flask:
        app = make_app(**settings)
        app.config["SERVER_NAME"] = server_name
        app.secret_key = "secret"

        @app.before_request
        def log_in() -> None:
            g.user = "somebody"
            session["user"] = "somebody"

        return app

    return make


def post(app: Flask, body: object) -> int:
    base = f"http://{app.config['SERVER_NAME'] or 'localhost'}"
    return client_of(app).post(URL, json=body, base_url=base).status_code


def test_inline_handler_sees_nothing_of_the_request(
    hosts: MakeApp, payload: Payload, look: Any, looks: list[Any], expected: dict[str, Any]
) -> None:
    """A handler called during the webhook's request sees nothing of it, or of an earlier one."""
    app = hosts()
    status_received.connect(look)

    @status_received.connect_via(app)
    async def asynchronous(app: Flask, event: Any) -> None:
        await sleep(0)
        look(app)

    assert [post(app, payload(name)) for name in ("queued", "sent")] == [200, 200]
    assert looks == [expected] * 4


def test_retried_handler_sees_nothing_of_a_request(
    hosts: MakeApp, payload: Payload, look: Any, looks: list[Any], expected: dict[str, Any]
) -> None:
    """A handler called in a retry sees the same."""
    app = hosts(DISPATCH="deferred", LEDGER_URL="sqlite:///events.db")
    status_received.connect(look)
    assert post(app, payload()) == 200
    assert looks == []
    with app.app_context():
        assert len(list(sweep(app.extensions["fd_whatsapp"]["fd_whatsapp"]))) == 1
    assert looks == [expected]


def test_notices_see_nothing_of_the_request(
    hosts: MakeApp, payload: Payload, look: Any, looks: list[Any], expected: dict[str, Any]
) -> None:
    """Handlers of rejections, failures and deaths see the same."""
    app = hosts(MAX_ATTEMPTS=1)
    for signal in (webhook_rejected, handler_failed, event_dead):
        signal.connect(look)

    @status_received.connect_via(app)
    def fails(app: Flask, event: Any) -> None:
        raise ValueError("no")

    assert post(app, {"event_type": 5}) == 422
    post(app, payload())
    assert looks == [expected] * 3


def test_handlers_thread_sees_nothing_of_the_request(
    hosts: MakeApp, payload: Payload, expected: dict[str, Any]
) -> None:
    """A thread that a handler starts in its own context sees the same, too."""
    app, looks = hosts(), []

    @status_received.connect_via(app)
    def handler(app: Flask, event: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            looks.append(pool.submit(copy_context().run, seen).result())

    assert post(app, payload()) == 200
    assert looks == [expected]


@pytest.mark.parametrize("in_request", [True, False])
def test_context_variables(app: Flask, in_request: bool) -> None:
    """Other context variables stay, and what one handler sets is not visible to others."""
    found: list[str] = []

    def handler(app: Flask) -> None:
        found.append(tenant.get())
        tenant.set("of a handler")
        app.test_request_context("/left/open").push()
        app.app_context().push()

    def work() -> None:
        tenant.set("acme")
        for _ in range(2):
            with pytest.raises((AssertionError, RuntimeError), match="context"):
                call(app, handler)
        found.append(tenant.get())
        assert has_request_context() is in_request

    if in_request:
        with app.test_request_context():
            copy_context().run(work)
    else:
        copy_context().run(work)
    assert found == ["acme"] * 3


def test_request_goes_on(hosts: MakeApp, payload: Payload) -> None:
    """After the handlers the request is unchanged for the application's own hooks."""
    app, paths = hosts(), []
    status_received.connect_via(app)(lambda *_, **__: None)

    @app.after_request
    def note(response: Any) -> Any:
        paths.append((request.path, g.user, session["user"], request.headers["Authorization"]))
        return response

    assert post(app, payload()) == 200
    assert paths == [(URL, "somebody", "somebody", TOKEN)]
