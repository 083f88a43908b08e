"""Handlers that give up or postpone, as seen by the sender and the host."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import GiveUp, RetryLater, status_received
from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.receiving.resuming import replay

from ..answers import assert_result, client_of, make_due
from ..conftest import URL, MakeApp, Payload
from ..ledger.entries import make_old
from ..scripted import Scripted


def ledger_of(app: Flask) -> Any:
    return app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger


def test_the_only_handler_gives_up(
    client: FlaskClient, payload: Payload, signals_seen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The event is dead after the first attempt, answered as dead, and signalled once with the
    reason.
    """
    shop = Scripted("shop", GiveUp("no such order"))
    status_received.connect(shop)
    for _ in range(2):
        assert_result(client.post(URL, json=payload()), "dead")
    names = [name for name, _ in signals_seen]
    assert (names.count("event_dead"), names.count("handler_failed")) == (1, 0)
    assert len(shop.events) == 1
    assert "Handler shop gave up on QUEUED" in caplog.text
    assert "no such order" in caplog.text


@pytest.mark.parametrize("error", [ValueError("no"), RetryLater(7)])
def test_another_is_left(app: Flask, payload: Payload, signals_seen: Any, error: Exception) -> None:
    """Until the others have succeeded it is retried without the handler that gave up."""
    shop, mails = Scripted("shop", GiveUp("no such order")), Scripted("mails", error)
    status_received.connect(shop)
    status_received.connect(mails)
    client = client_of(app)
    assert client.post(URL, json=payload()).status_code == 503
    assert [name for name, _ in signals_seen].count("event_dead") == 0
    assert_result(client.post(URL, json=payload()), "dead")
    assert (len(shop.events), len(mails.events)) == (1, 2)
    assert [name for name, _ in signals_seen].count("event_dead") == 1


def test_handler_that_gave_up_is_called_once_revived(app: Flask, payload: Payload) -> None:
    """A handler that gave up is called again once its event is revived, and no other is."""
    shop, mails = Scripted("shop", GiveUp("no such order")), Scripted("mails")
    status_received.connect(shop)
    status_received.connect(mails)
    client, ledger = client_of(app), ledger_of(app)
    assert_result(client.post(URL, json=payload()), "dead")
    (event,) = ledger.events()
    assert event.last_error == "shop: GiveUp: no such order"
    assert ledger.dead_events.revive(event.id)
    assert_result(client.post(URL, json=payload()), "accepted")
    assert (len(shop.events), len(mails.events)) == (2, 1)


def test_handler_that_gave_up_can_be_replayed(app: Flask, payload: Payload) -> None:
    """A handler that gave up can be replayed, and gives up again or succeeds."""
    shop = Scripted("shop", GiveUp("no such order"), GiveUp("nor now"))
    status_received.connect(shop)
    assert_result(client_of(app).post(URL, json=payload()), "dead")
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    (event,) = receiver.ledger.events()
    results = [replay(receiver, event.id, "shop") for _ in range(3)]
    assert results == [False, True, None]


def test_put_off_is_seen(app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture) -> None:
    """The log and the ledger say which handler postponed an event, why and how often."""
    caplog.set_level(logging.INFO)
    shop = Scripted("shop", *[RetryLater(60, "no stock yet")] * 2)
    status_received.connect(shop)
    for _ in range(2):
        answer = client_of(app).post(URL, json=payload())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "Handler shop asks to be called again in 60 seconds" in caplog.text
    assert "postponed once before: RetryLater: no stock yet" in caplog.text
    (event,) = ledger_of(app).events()
    assert (event.postponed, event.attempts) == (2, 0)
    assert event.last_error == "shop: RetryLater: no stock yet"


def test_put_off_too_long(make_app: MakeApp, payload: Payload, signals_seen: Any) -> None:
    """A handler that always postpones is called once more after the limit; then its event is
    dead.
    """
    app = make_app(GIVE_UP_AFTER="2h")
    shop = Scripted("shop", *[RetryLater(60)] * 9)
    status_received.connect(shop)
    client = client_of(app)
    client.post(URL, json=payload())
    make_old(ledger_of(app), timedelta(hours=2, minutes=1))
    make_due(app)
    assert client.post(URL, json=payload()).status_code == 503
    assert_result(client.post(URL, json=payload()), "dead")
    assert len(shop.events) == 2
    assert [event.state for event in ledger_of(app).events()] == [State.DEAD]
    assert [name for name, _ in signals_seen].count("event_dead") == 1
