"""A recorded event whose claim is lost while it is resumed, or replayed to one handler."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_fd_whatsapp import handler_name, status_received
from flask_fd_whatsapp.handling.watchdog import watchdog
from flask_fd_whatsapp.ledger import Recorded, Tried
from flask_fd_whatsapp.receiving.receiver import Receiver
from flask_fd_whatsapp.receiving.responses import Result
from flask_fd_whatsapp.receiving.resuming import replay, resume

from ..answers import assert_problem, assert_result, client_of
from ..conftest import URL, Payload

HANGS = Tried(failed={"handler": "TimeoutError: did not return within 300 seconds"})


def receiver_of(app: Flask) -> Receiver:
    (receiver,) = app.extensions["fd_whatsapp"].values()
    return receiver  # type: ignore[no-any-return]


def fail(app: Flask, event: object) -> None:
    raise ValueError("not yet")


def lost(caplog: pytest.LogCaptureFixture) -> int:
    """How many lines say that a claim was lost."""
    return sum("reported as hanging" in record.getMessage() for record in caplog.records)


def test_lost_claim_on_an_event_that_the_schema_rejects(
    app: Flask,
    payload: Payload,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged once, and the event is left to whoever has the claim now."""
    with status_received.connected_to(fail, sender=app):
        assert_problem(client_of(app).post(URL, json=payload()), 503, "30")
    receiver = receiver_of(app)

    def reject(recorded: Recorded) -> None:
        assert recorded.claim is not None
        recorded.claim.abandon(HANGS)

    monkeypatch.setattr(receiver, "reloaded", reject)
    (event,) = receiver.ledger.events()
    outcome = resume(receiver, event.id)
    assert outcome is not None
    assert (outcome.result, lost(caplog)) == (Result.BUSY, 1)


def test_lost_claim_during_a_replay(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and the handler has not succeeded."""
    assert_result(client_of(app).post(URL, json=payload()), "accepted")
    receiver = receiver_of(app)
    (event,) = receiver.ledger.events()

    @status_received.connect_via(app)
    @handler_name("new")
    def lose(app: Flask, event: object) -> None:
        (attempt,) = watchdog.running()
        attempt.claim.abandon(HANGS)

    assert (replay(receiver, event.id, "new"), lost(caplog)) == (False, 1)
