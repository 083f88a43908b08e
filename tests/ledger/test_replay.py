"""Replaying past events to one handler through the receiver, on every ledger."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, message_sent, status_changed, status_received
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.receiving.receiver import Receiver
from flask_fd_whatsapp.receiving.resuming import replay

from ..answers import assert_result, client_of
from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted
from .entries import POLICY, the_event, the_message


@pytest.fixture
def app(make_app: MakeApp, ledger: Ledger) -> Flask:
    return make_app(FreshdeskWhatsApp(ledger=ledger))


@pytest.fixture
def receiver(app: Flask) -> Receiver:
    receiver: Receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    return receiver


@pytest.fixture
def past(app: Flask, ledger: Ledger, payload: Payload) -> dict[str, Any]:
    """The ids of a message's events that are done, by status: SENT, then READ."""
    client = client_of(app)
    for name in ("sent", "read"):
        assert_result(client.post(URL, json=payload(name)), "accepted")
    return {event.status: event.id for event in ledger.events()}


def succeeded(ledger: Ledger, event_id: Any) -> frozenset[str]:
    """The handlers that a settled event needs no more."""
    recorded = ledger.claim(event_id, POLICY, settled=True)
    assert recorded is not None
    return recorded.succeeded


def test_never_back(receiver: Receiver, ledger: Ledger, past: dict[str, Any]) -> None:
    """A superseded ``status_changed`` is not called, and recorded as such."""
    late = Scripted("late")
    status_changed.connect(late)
    before = the_event(ledger, past["SENT"])
    assert [replay(receiver, past["SENT"], "late") for _ in range(2)] == [None, None]
    assert late.events == []
    assert succeeded(ledger, past["SENT"]) == {"late"}
    assert the_event(ledger, past["SENT"]) == before


def test_last_step(receiver: Receiver, ledger: Ledger, past: dict[str, Any]) -> None:
    """The ``status_changed`` of a message's last step is called once."""
    late = Scripted("late")
    status_changed.connect(late)
    message_id = the_event(ledger, past["READ"]).message_id
    assert [replay(receiver, past["READ"], "late") for _ in range(2)] == [True, None]
    assert late.statuses == ["READ"] == [the_message(ledger, message_id).status]


@pytest.mark.parametrize("signal", [message_sent, status_received])
def test_other_signals(receiver: Receiver, past: dict[str, Any], signal: Any) -> None:
    """A handler of another signal is called with past events of any age."""
    late = Scripted("late")
    signal.connect(late)
    assert [replay(receiver, past["SENT"], "late") for _ in range(2)] == [True, None]
    assert late.statuses == ["SENT"]


def test_replay_leaves_other_handlers_alone(
    receiver: Receiver, ledger: Ledger, past: dict[str, Any]
) -> None:
    """A replay neither calls another handler nor records one as superseded."""
    late, changed = Scripted("late"), Scripted("changed")
    status_received.connect(late)
    status_changed.connect(changed)
    assert replay(receiver, past["SENT"], "late")
    assert changed.events == []
    assert succeeded(ledger, past["SENT"]) == {"late"}
