"""Events that die because their process died or their schema changed, on every ledger."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError, validates_schema

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    OutboundMessageEventSchema,
    StatusEvent,
    event_dead,
    status_received,
)
from flask_fd_whatsapp.ledger import Ledger, State
from flask_fd_whatsapp.receiving.responses import Result
from flask_fd_whatsapp.receiving.resuming import resume

from ..answers import assert_result, client_of
from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted
from .entries import POLICY, kill, make_due, the_event

SETTINGS = {
    "MAX_ATTEMPTS": POLICY.max_attempts,
    "CAMPAIGN": r"^\w+-(?P<campaign>\w+)-",
    "DATA_HEADERS": ["X-Tenant"],
}


class Picky(OutboundMessageEventSchema):
    """A schema that rejects failures once told to."""

    refuses = False

    @validates_schema
    def refuse(self, data: Any, **_: Any) -> None:
        if self.refuses and data["data"]["status"] == "FAILED":
            raise ValidationError("no failures")


@pytest.fixture
def schema() -> Picky:
    return Picky()


@pytest.fixture
def app(make_app: MakeApp, ledger: Ledger, schema: Picky) -> Flask:
    return make_app(FreshdeskWhatsApp(ledger=ledger, schema=schema), **SETTINGS)


@pytest.fixture
def failure(app: Flask, ledger: Ledger, payload: Payload) -> tuple[Any, dict[str, Any]]:
    """Id and payload of a FAILED whose process died as often as is allowed, after a SENT.

    Its payload lacks the reference that the one of SENT has.
    """
    assert_result(client_of(app).post(URL, json=payload("sent")), "accepted")
    body = payload("failed")
    assert "external_reference_id" not in body["data"]
    event_id = kill(
        ledger,
        "FAILED",
        times=POLICY.max_attempts,
        account_id=body["account_id"],
        message_id=body["data"]["message_id"],
        body=json.dumps(body),
        headers={"X-Tenant": "t1"},
    )
    return event_id, body


@pytest.mark.parametrize("by", ["delivery", "sweep"])
def test_event_dead_is_sent_once_for_a_process_that_died(
    app: Flask, ledger: Ledger, failure: tuple[Any, dict[str, Any]], by: str
) -> None:
    """``event_dead`` for an event whose process died has what the ledger knows, once."""
    told: list[StatusEvent] = []
    event_dead.connect_via(app)(lambda app, event: told.append(event))
    handler = Scripted("handler")
    status_received.connect(handler)
    event_id, body = failure
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    for _ in range(2):
        if by == "delivery":
            headers = {"X-Tenant": "another"}
            assert_result(client_of(app).post(URL, json=body, headers=headers), "dead")
        else:
            assert resume(receiver, event_id).result is Result.DEAD
    (event,) = told
    assert (event.status, event.payload) == ("FAILED", body)
    assert (event.external_reference_id, event.campaign) == ("MM-T1-00001", "T1")
    assert event.headers == {"X-Tenant": "t1"}
    assert (event.previous_status, event.is_stale) == ("SENT", False)
    assert handler.events == []


def test_schema_changed(
    app: Flask,
    ledger: Ledger,
    schema: Picky,
    payload: Payload,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A recorded event that the schema no longer accepts is retried, logged, and finally dead.

    Handlers, ``event_dead``'s too, cannot be given what does not load: the log alone tells.
    """
    told: list[StatusEvent] = []
    event_dead.connect_via(app)(lambda app, event: told.append(event))
    broken = Scripted("broken", ValueError("no"))
    status_received.connect(broken)
    assert client_of(app).post(URL, json=payload("failed")).status_code == 503
    caplog.clear()
    (event,) = ledger.events()
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    schema.refuses = True
    results = []
    for _ in range(POLICY.max_attempts):
        make_due(ledger)
        results.append(resume(receiver, event.id).result)
    assert results == [Result.BUSY] * (POLICY.max_attempts - 2) + [Result.DEAD] * 2
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    line = f"The schema no longer accepts the recorded event {event.id}"
    assert sum(error.startswith(line) for error in errors) >= POLICY.max_attempts - 1
    after = the_event(ledger, event.id)
    assert (after.state, after.attempts) == (State.DEAD, POLICY.max_attempts)
    assert after.last_error == "schema: no longer accepts the event"
    assert (len(broken.events), told) == (1, [])


def test_schema_mended(app: Flask, ledger: Ledger, schema: Picky, payload: Payload) -> None:
    """Once the schema accepts the event again, it is handled normally."""
    handler = Scripted("handler", ValueError("no"))
    status_received.connect(handler)
    assert client_of(app).post(URL, json=payload("failed")).status_code == 503
    (event,) = ledger.events()
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    schema.refuses = True
    resume(receiver, event.id)
    schema.refuses = False
    assert resume(receiver, event.id).result is Result.ACCEPTED
    assert handler.statuses == ["FAILED"] * 2
