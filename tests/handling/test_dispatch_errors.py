"""Handlers that raise the ledger's exceptions, or exceptions that cannot be shown."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent, status_received
from flask_fd_whatsapp.exceptions import ClaimLost, LedgerUnavailable, TransactionFailed
from flask_fd_whatsapp.ledger import MemoryLedger, Policy, State, Tried

from ..answers import assert_problem, assert_result, client_of, make_due
from ..conftest import URL, MakeApp, Payload
from ..ledger.entries import entry
from ..scripted import Scripted

Seen = list[tuple[str, dict[str, Any]]]


class CannotBeShown(Exception):
    """An exception whose text cannot be obtained."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class AsksAnotherLedger:
    """A handler that uses another ledger: it is full at first, or its claim is lost."""

    def __init__(self, error: type[Exception]) -> None:
        self.error: type[Exception] | None = error

    def __call__(self, app: Flask, event: StatusEvent) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            self.fail() if error is LedgerUnavailable else self.lose()

    def fail(self) -> None:
        ledger = MemoryLedger(max_events=1)
        for message_id in ("M1", "M2"):
            ledger.record(entry(message_id=message_id), Policy())

    def lose(self) -> None:
        claim = MemoryLedger().record(entry(), Policy()).claim
        assert claim is not None
        for _ in range(2):
            claim.finish(Tried())


@pytest.mark.parametrize("error", [LedgerUnavailable, ClaimLost])
@pytest.mark.parametrize("is_last", [False, True])
def test_error_of_another_ledger(
    app: Flask,
    payload: Payload,
    signals_seen: Seen,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
    is_last: bool,
) -> None:
    """What using another ledger raises is only that handler's failure."""
    asks, neighbour = AsksAnotherLedger(error), Scripted("neighbour")
    for handler in (neighbour, asks) if is_last else (asks, neighbour):
        status_received.connect(handler)
    client = client_of(app)
    assert_problem(client.post(URL, json=payload()), 503, "30")
    (told,) = [arguments for name, arguments in signals_seen if name == "handler_failed"]
    assert (type(told["exception"]), "AsksAnotherLedger" in told["handler"]) == (error, True)
    assert len(neighbour.events) == 1
    assert_failed(app, error.__name__)
    assert [record for record in caplog.records if record.levelno >= logging.CRITICAL] == []
    assert "LEASE_SECONDS" not in caplog.text
    assert_result(client.post(URL, json=payload()), "accepted")
    assert len(neighbour.events) == 1


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable("mine"),
        ClaimLost("mine"),
        TransactionFailed("mine"),
        CannotBeShown(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_is_counted(
    make_app: MakeApp, payload: Payload, signals_seen: Seen, error: Exception
) -> None:
    """Any error of a handler counts, so that its event finally dies."""
    app = make_app(MAX_ATTEMPTS=2)
    broken = Scripted("broken", error, error)
    status_received.connect(broken)
    client = client_of(app)
    for _ in range(2):
        assert_problem(client.post(URL, json=payload()), 503, "30")
        make_due(app)
    assert_result(client.post(URL, json=payload()), "dead")
    names = [name for name, _ in signals_seen]
    assert (names.count("handler_failed"), names.count("event_dead")) == (2, 1)


def test_error_that_cannot_be_shown(
    app: Flask, payload: Payload, signals_seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that cannot be shown is a failure with the name of its type."""
    broken, neighbour = Scripted("broken", CannotBeShown()), Scripted("neighbour")
    for handler in (broken, neighbour):
        status_received.connect(handler)
    client = client_of(app)
    assert_problem(client.post(URL, json=payload()), 503, "30")
    assert [name for name, _ in signals_seen].count("handler_failed") == 1
    assert len(neighbour.events) == 1
    assert_failed(app, "CannotBeShown")
    assert "Handler broken failed" in caplog.text
    assert "ledger cannot be used" not in caplog.text
    assert_result(client.post(URL, json=payload()), "accepted")


def assert_failed(app: Flask, error: str) -> None:
    """The only event is pending after one failed attempt, with this error."""
    (event,) = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.events()
    assert (event.state, event.attempts) == (State.PENDING, 1)
    assert error in event.last_error
