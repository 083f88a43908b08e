from __future__ import annotations

import gc
import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient

from flask_fd_whatsapp import (
    event_dead,
    handler_failed,
    message_sent,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.handling.handlers import handlers_of

from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted

EVENT_SIGNALS = (message_sent, status_changed, status_received)


def closure() -> Callable[..., None]:
    def inner(app: Flask, event: Any) -> None: ...

    return inner


def functions(app: Flask) -> list[Callable[..., None]]:
    return [handler.function for handler in handlers_of(EVENT_SIGNALS, app)]


def test_shared_identity_skips_none(client: FlaskClient, payload: Payload) -> None:
    """Each handler with a shared identity is called, and only the failed one again."""
    first, second = Scripted("shared"), Scripted("shared", ValueError())
    status_received.connect(first)
    status_received.connect(second)
    assert client.post(URL, json=payload()).status_code == 503
    assert client.post(URL, json=payload()).status_code == 200
    assert (len(first.events), len(second.events)) == (1, 2)


def test_shared_identity_after_a_neighbour_has_gone(client: FlaskClient, payload: Payload) -> None:
    """A failed handler is called again even if its namesake, which succeeded, is gone."""
    first, second = Scripted("shared"), Scripted("shared", ValueError())
    status_received.connect(first)
    status_received.connect(second)
    assert client.post(URL, json=payload()).status_code == 503
    status_received.disconnect(first)
    assert client.post(URL, json=payload()).status_code == 200
    assert len(second.events) == 2


def test_order_of_connection(app: Flask) -> None:
    """Handlers are called in order of connection, however they were connected."""
    handlers = [closure() for _ in range(40)]
    random.shuffle(handlers)
    for place, handler in enumerate(handlers):
        if place % 3 == 0:
            status_changed.connect_via(app)(handler)
        else:
            status_changed.connect(handler, weak=place % 3 == 1)
    assert functions(app) == handlers


def test_order_without_those_gone(app: Flask) -> None:
    """The order stays when weakly held handlers have vanished or were disconnected."""
    handlers = [closure() for _ in range(30)]
    for handler in handlers:
        status_changed.connect(handler)
    status_changed.disconnect(handlers.pop(20))
    del handlers[::3], handler
    gc.collect()
    assert functions(app) == handlers


def test_signals_in_turn(app: Flask) -> None:
    """The order of signals takes precedence over that of connection."""
    handler = closure()
    for signal in reversed(EVENT_SIGNALS):
        signal.connect(handler)
    found = handlers_of(EVENT_SIGNALS, app)
    assert [handler.signal for handler in found] == list(EVENT_SIGNALS)


def test_connected_twice(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A handler connected both to all and to this application is called once."""
    seen = Scripted("seen")
    status_received.connect(seen)
    status_received.connect_via(app)(seen)
    client.post(URL, json=payload())
    assert len(seen.events) == 1


def test_other_apps_handlers(make_app: MakeApp, client: FlaskClient, payload: Payload) -> None:
    """A handler connected to another application is not called."""
    other, seen = make_app(), Scripted("seen")
    status_received.connect_via(other)(seen)
    assert client.post(URL, json=payload()).status_code == 200
    assert seen.events == []


def test_muted_handlers_are_not_called(client: FlaskClient, payload: Payload) -> None:
    """The handlers of a muted signal are not called, then or later, and others are."""
    quiet, seen = Scripted("quiet"), Scripted("seen")
    status_changed.connect(quiet)
    status_received.connect(seen)
    with status_changed.muted():
        assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert client.post(URL, json=payload()).json == {"result": "duplicate"}
    assert (quiet.statuses, seen.statuses) == ([], ["QUEUED"])


@pytest.mark.parametrize("signal", [handler_failed, event_dead])
def test_muted_notices(make_app: MakeApp, payload: Payload, signal: Any) -> None:
    """A muted notification is not sent."""
    told: list[Any] = []
    app, broken = make_app(MAX_ATTEMPTS=1), Scripted("broken", ValueError())
    status_received.connect(broken)
    signal.connect_via(app)(lambda app, **arguments: told.append(arguments))
    headers = app.config["FD_WHATSAPP_HEADERS"]
    with signal.muted():
        app.test_client().post(URL, json=payload(), headers=headers)
    assert (len(broken.events), told) == (1, [])


def test_connect_via_stays(make_app: MakeApp, payload: Payload) -> None:
    """In a factory ``connect_via`` keeps a handler, and ``connect`` lets it vanish."""
    stays: list[Any] = []
    vanishes: list[Any] = []

    def create_app() -> Flask:
        app = make_app()

        @status_received.connect_via(app)
        def kept(app: Flask, event: Any) -> None:
            stays.append(event)

        @status_received.connect
        def lost(app: Flask, event: Any) -> None:
            vanishes.append(event)

        return app

    app = create_app()
    gc.collect()
    headers = app.config["FD_WHATSAPP_HEADERS"]
    assert app.test_client().post(URL, json=payload(), headers=headers).status_code == 200
    assert (len(stays), len(vanishes)) == (1, 0)


def unheard(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records]
    return [line for line in lines if line.startswith("No handler is connected")]


def test_nobody_listens(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """The first event that reaches no handler at all logs one warning with its signals."""
    sent = Scripted("sent")
    message_sent.connect(sent)
    client.post(URL, json=payload("sent"))
    assert unheard(caplog) == []
    for name in ("read", "queued", "read"):
        client.post(URL, json=payload(name))
    (line,) = unheard(caplog)
    assert "connected for READ (message_read, status_changed, status_received)" in line
    assert "`flask fd-whatsapp check`" in line


def test_nobody_listens_to_what_is_stale(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """A stale event skipped by ``status_changed`` logs no warning; the next event does."""
    changed = Scripted("changed")
    status_changed.connect(changed)
    for name in ("delivered", "sent"):
        client.post(URL, json=payload(name))
    assert (len(changed.events), unheard(caplog)) == (1, [])
    status_changed.disconnect(changed)
    client.post(URL, json=payload("read"))
    (line,) = unheard(caplog)
    assert "connected for READ" in line


def test_somebody_listened(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """An event whose only handler has succeeded before, or failed, has reached a handler."""
    first = Scripted("first")
    failing = Scripted("failing", ValueError())
    message_sent.connect(first)
    status_received.connect(failing)
    assert client.post(URL, json=payload("sent")).status_code == 503
    status_received.disconnect(failing)
    assert client.post(URL, json=payload("sent")).status_code == 200
    assert unheard(caplog) == []


def test_listening_to_another_sender(
    app: Flask, client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler connected for the proxy of the application is never called."""
    with app.app_context():
        handler = Scripted("proxy")
        status_received.connect(handler, sender=current_app)
    client.post(URL, json=payload("sent"))
    assert (handler.events, len(unheard(caplog))) == ([], 1)
