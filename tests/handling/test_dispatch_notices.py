from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from flask_fd_whatsapp import (
    RetryLater,
    StatusEvent,
    event_dead,
    handler_failed,
    status_received,
    webhook_rejected,
)

from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted, authorized

ERROR = ValueError("no such ticket")


class Telling:
    """A handler of a notification-only signal that raises a given exception."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.told: list[dict[str, Any]] = []

    def __call__(self, app: Flask, **arguments: Any) -> None:
        self.told.append(arguments)
        if self.error is not None:
            raise self.error


@pytest.fixture
def mortal(make_app: MakeApp) -> Flask:
    """An application whose events die at the first failure."""
    return make_app(MAX_ATTEMPTS=1)


def break_down(app: Flask, event: StatusEvent) -> None:
    raise ERROR


def test_handler_failed(client: FlaskClient, payload: Payload) -> None:
    """``handler_failed`` has event, handler and exception, at each failure."""
    telling = Telling()
    handler_failed.connect(telling)
    status_received.connect(break_down)
    for _ in range(2):
        client.post(URL, json=payload())
    assert len(telling.told) == 2
    for arguments in telling.told:
        assert set(arguments) == {"event", "handler", "exception"}
        assert arguments["event"].status == "QUEUED"
        assert arguments["handler"] == f"status_received:{__name__}.break_down"
        assert arguments["exception"] is ERROR


def test_told_at_once(client: FlaskClient, payload: Payload) -> None:
    """A failure is signalled before the next handler runs."""
    steps: list[str] = []
    failing, after = Scripted("failing", ERROR), Scripted("after")
    handler_failed.connect(
        lambda app, **arguments: steps.append(f"{len(after.events)} after"), weak=False
    )
    status_received.connect(failing)
    status_received.connect(after)
    client.post(URL, json=payload())
    assert (steps, len(after.events)) == (["0 after"], 1)


@pytest.mark.parametrize("error", [OSError("mail is down"), RetryLater(5), CancelledError()])
def test_notices_that_fail(
    mortal: Flask, payload: Payload, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """A failing handler of a notification is logged, and the next one is called."""
    failing, telling = Telling(error), Telling()
    for signal in (handler_failed, event_dead):
        signal.connect(failing)
        signal.connect(telling)
    after = Scripted("after")
    status_received.connect(break_down)
    status_received.connect(after)
    client = authorized(mortal)
    assert client.post(URL, json=payload()).status_code == 503
    assert client.post(URL, json=payload()).json == {"result": "dead"}
    assert len(failing.told) == len(telling.told) == 2
    assert len(after.events) == 1
    text = "Handler {}:tests.handling.test_dispatch_notices.Telling failed."
    for signal in (handler_failed, event_dead):
        assert text.format(signal.name) in caplog.text


def test_rejection_notices_that_fail(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """A failing handler of ``webhook_rejected`` does not change the answer."""
    failing, telling = Telling(OSError("mail is down")), Telling()
    webhook_rejected.connect(failing)
    webhook_rejected.connect(telling)
    assert app.test_client().post(URL).status_code == 401
    assert len(failing.told) == len(telling.told) == 1
    assert "mail is down" in caplog.text


def test_context_of_notices(mortal: Flask, payload: Payload) -> None:
    """A notification's handler has an application context of its own, too."""
    contexts: list[Any] = []

    def look(app: Flask, **arguments: Any) -> None:
        contexts.append(g._get_current_object())

    @status_received.connect_via(mortal)
    def broken(app: Flask, event: StatusEvent) -> None:
        look(app)
        raise ERROR

    for signal in (handler_failed, event_dead):
        signal.connect(look)
    authorized(mortal).post(URL, json=payload())
    assert len({id(context) for context in contexts}) == len(contexts) == 3


def test_coroutine_notices(mortal: Flask, payload: Payload) -> None:
    """A notification's handler may be a coroutine function."""
    told: list[str] = []

    async def tell(app: Flask, event: StatusEvent, **arguments: Any) -> None:
        told.append(event.status)

    for signal in (handler_failed, event_dead):
        signal.connect(tell)
    status_received.connect(break_down)
    authorized(mortal).post(URL, json=payload())
    assert told == ["QUEUED", "QUEUED"]


def test_notices_come_in_order(mortal: Flask, payload: Payload, signals_seen: Any) -> None:
    """``handler_failed`` is sent before ``event_dead``, which is sent when all handlers have
    run.
    """
    after = Scripted("after")
    status_received.connect(break_down)
    status_received.connect(after)
    authorized(mortal).post(URL, json=payload())
    names = [name for name, _ in signals_seen]
    assert names[-2:] == ["handler_failed", "event_dead"]
    assert len(after.events) == 1


@pytest.mark.parametrize("leaving", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("signal", [handler_failed, event_dead])
def test_leaving_from_a_notice(
    make_app: MakeApp, payload: Payload, signal: Any, leaving: BaseException
) -> None:
    """``SystemExit`` and the like pass through a notification, and the message is released."""
    app = make_app(MAX_ATTEMPTS=2 if signal is handler_failed else 1)
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0
    failing, telling = Scripted("failing", ERROR), Telling(leaving)
    status_received.connect(failing)
    signal.connect(telling)
    client = authorized(app)
    with pytest.raises(type(leaving)):
        client.post(URL, json=payload())
    assert client.post(URL, json=payload("sent")).json == {"result": "accepted"}
    expected = "accepted" if signal is handler_failed else "dead"
    assert client.post(URL, json=payload()).json == {"result": expected}
