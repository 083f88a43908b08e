from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    FreshdeskWhatsAppError,
    current_ledger,
    event_dead,
    handler_failed,
    message_queued,
    status_received,
)

from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted, authorized

URLS = {"fd_whatsapp": URL, "india": "/india/whatsapp"}


@pytest.fixture
def two(make_app: MakeApp) -> Flask:
    """An application with two receivers, whose events die at the first failure."""
    app = make_app(MAX_ATTEMPTS=1, INDIA_ALLOW_UNAUTHENTICATED=True, INDIA_MAX_ATTEMPTS=1)
    app.register_blueprint(
        FreshdeskWhatsApp("india", config_prefix="FD_WHATSAPP_INDIA", url_prefix="/india")
    )
    return app


@pytest.fixture
def found() -> Iterator[list[Any]]:
    """The ledgers that :func:`look` found."""
    yield _found
    _found.clear()


_found: list[Any] = []


def look(app: Flask, **arguments: Any) -> None:
    _found.append(current_ledger._get_current_object())  # type: ignore[attr-defined]


async def look_async(app: Flask, **arguments: Any) -> None:
    look(app)


def ledger_of(app: Flask, name: str = "fd_whatsapp") -> Any:
    return app.extensions["fd_whatsapp"][name].ledger


@pytest.mark.parametrize("handler", [look, look_async])
@pytest.mark.parametrize("name", URLS)
def test_in_a_handler_it_is_the_receivers_ledger(
    two: Flask, payload: Payload, found: list[Any], handler: Any, name: str
) -> None:
    """In a handler, ``current_ledger`` is the ledger of the receiver that is handling the event."""
    status_received.connect(handler)
    assert authorized(two).post(URLS[name], json=payload()).status_code == 200
    assert found == [ledger_of(two, name)]


@pytest.mark.parametrize("signal", [handler_failed, event_dead])
@pytest.mark.parametrize("name", URLS)
def test_in_a_notices_handler_it_is_the_receivers_ledger(
    two: Flask, payload: Payload, found: list[Any], signal: Any, name: str
) -> None:
    """In a handler of ``handler_failed`` or ``event_dead`` it is that receiver's ledger too."""
    broken = Scripted("broken", ValueError())
    status_received.connect(broken)
    signal.connect(look)
    authorized(two).post(URLS[name], json=payload())
    assert found == [ledger_of(two, name)]


def test_knows_the_message(app: Flask, payload: Payload) -> None:
    """In a handler the ledger knows the message, this event included."""
    known: list[Any] = []

    @status_received.connect_via(app)
    def handler(app: Flask, event: Any) -> None:
        known.append(current_ledger.message(event.message_id))

    authorized(app).post(URL, json=payload())
    assert [(message.status, list(message.times)) for message in known] == [("QUEUED", ["QUEUED"])]


def test_of_another_app(two: Flask, make_app: MakeApp, payload: Payload, found: list[Any]) -> None:
    """In another application's context it is that application's, whoever is handling."""
    other = make_app()

    @status_received.connect_via(two)
    def handler(app: Flask, event: Any) -> None:
        with other.app_context():
            look(other)
        look(app)

    authorized(two).post(URL, json=payload())
    assert found == [ledger_of(other), ledger_of(two)]


def test_nested_event(two: Flask, payload: Payload, found: list[Any]) -> None:
    """After a handler has posted to the other receiver, it has its own ledger again."""

    @message_queued.connect_via(two)
    def handler(app: Flask, event: Any) -> None:
        look(app)
        authorized(app).post(URLS["india"], json=payload("sent"))
        look(app)

    status_received.connect(look)
    authorized(two).post(URL, json=payload())
    here, india = ledger_of(two), ledger_of(two, "india")
    assert found == [here, india, here, here]


def test_the_only_one(app: Flask) -> None:
    """Outside handlers it is the application's only ledger."""
    with app.app_context():
        assert current_ledger == ledger_of(app)


def test_after_a_handler(two: Flask, payload: Payload) -> None:
    """Nothing is left of the context once an event is handled, not even after a failure."""
    broken = Scripted("broken", ValueError(), KeyboardInterrupt())
    status_received.connect(broken)
    client = authorized(two)
    with two.app_context():
        client.post(URL, json=payload())
        with pytest.raises(KeyboardInterrupt):
            client.post(URL, json=payload("sent"))
        with pytest.raises(FreshdeskWhatsAppError, match="outside a handler"):
            current_ledger.quarantined()


def test_which_of_two(two: Flask) -> None:
    """Outside handlers, with several receivers, it is an error that names them."""
    with two.app_context(), pytest.raises(FreshdeskWhatsAppError, match="fd_whatsapp, india"):
        current_ledger.quarantined()


def test_no_receiver() -> None:
    """Without a receiver it is an error that says so."""
    with Flask("bare").app_context(), pytest.raises(FreshdeskWhatsAppError, match="no Freshdesk"):
        current_ledger.quarantined()


def test_no_application() -> None:
    """Outside an application context it is Flask's own error."""
    with pytest.raises(RuntimeError, match="application context"):
        current_ledger.quarantined()


def test_no_transaction(app: Flask, payload: Payload) -> None:
    """An in-memory ledger has no transaction, and the error names the setting to change."""
    errors: list[str] = []

    @status_received.connect_via(app)
    def handler(app: Flask, event: Any) -> None:
        with pytest.raises(FreshdeskWhatsAppError) as caught:
            current_ledger.transaction  # noqa: B018
        errors.append(str(caught.value))

    assert authorized(app).post(URL, json=payload()).status_code == 200
    assert "FD_WHATSAPP_LEDGER_URL" in errors[0]
