"""What a sweep handles and what it leaves, on every ledger."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, RetryLater, status_received
from flask_fd_whatsapp.ledger import Ledger, Policy, Tried
from flask_fd_whatsapp.receiving import sweep as sweep_module
from flask_fd_whatsapp.receiving.receiver import Receiver
from flask_fd_whatsapp.receiving.responses import Result
from flask_fd_whatsapp.receiving.sweep import RESERVED_SECONDS, Sweep, sweep

from ..answers import client_of
from ..concurrency.threads import Clock
from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted
from .entries import end_leases, make_due


@pytest.fixture
def app(make_app: MakeApp, ledger: Ledger) -> Flask:
    return make_app(FreshdeskWhatsApp(ledger=ledger), DISPATCH="deferred")


@pytest.fixture
def receiver(app: Flask) -> Receiver:
    receiver: Receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    return receiver


@pytest.fixture
def ids(app: Flask, payload: Payload, ledger: Ledger) -> dict[tuple[str, str], Any]:
    """The ids of due events: two of a message M1, and one of M2."""
    for message_id, name in (("M1", "queued"), ("M1", "sent"), ("M2", "queued")):
        client_of(app).post(URL, json=payload(name, data__message_id=message_id))
    return {(event.message_id, event.status): event.id for event in ledger.events()}


def results(receiver: Receiver) -> dict[Any, Result]:
    return {swept.event_id: swept.result for swept in sweep(receiver)}


def test_sweep_leaves_a_message_being_handled(
    receiver: Receiver, ledger: Ledger, ids: dict[tuple[str, str], Any]
) -> None:
    """A due event is left alone while its message is being handled, and handled later."""
    seen = Scripted("seen")
    status_received.connect(seen)
    held = ledger.claim(ids["M1", "QUEUED"], Policy())
    assert held is not None
    assert held.claim is not None
    assert results(receiver) == {ids["M2", "QUEUED"]: Result.ACCEPTED}
    assert results(receiver) == {}
    held.claim.finish(Tried(retry_after=0))
    mine = dict.fromkeys([ids["M1", "QUEUED"], ids["M1", "SENT"]], Result.ACCEPTED)
    assert results(receiver) == mine
    assert [event.message_id for event in seen.events] == ["M2", "M1", "M1"]


def test_sweep_takes_over_from_a_dead_process(
    receiver: Receiver, ledger: Ledger, ids: dict[tuple[str, str], Any]
) -> None:
    """A dead process's event is handled once its lease has expired."""
    ledger.claim(ids["M1", "QUEUED"], Policy())
    assert ids["M1", "SENT"] not in results(receiver)
    end_leases(ledger)
    assert set(results(receiver)) == {ids["M1", "QUEUED"], ids["M1", "SENT"]}


def test_taken_in_between(
    receiver: Receiver, ledger: Ledger, ids: dict[tuple[str, str], Any]
) -> None:
    """An event claimed by another after the sweep's query is left to the next sweep."""
    sweeping = sweep(receiver)
    first = next(sweeping).event_id
    held = ledger.claim(ids["M2", "QUEUED"], Policy())
    assert held is not None
    assert held.claim is not None
    rest = {swept.event_id: swept.result for swept in sweeping}
    assert (first, rest) == (
        ids["M1", "QUEUED"],
        {ids["M1", "SENT"]: Result.ACCEPTED, ids["M2", "QUEUED"]: Result.BUSY},
    )
    held.claim.finish(Tried(retry_after=0))
    assert results(receiver) == {ids["M2", "QUEUED"]: Result.ACCEPTED}


@pytest.mark.parametrize("error", [ValueError("no"), RetryLater(3600)], ids=["failed", "later"])
def test_not_due(
    receiver: Receiver, ledger: Ledger, ids: dict[tuple[str, str], Any], error: Exception
) -> None:
    """A failed or postponed event is left alone until it is due."""
    broken = Scripted("broken", *[error] * 3)
    status_received.connect(broken)
    tried = Result.POSTPONED if isinstance(error, RetryLater) else Result.UNFINISHED
    assert results(receiver) == dict.fromkeys(ids.values(), tried)
    before = ledger.events()
    assert results(receiver) == {}
    assert ledger.events() == before
    assert len(broken.events) == 3
    make_due(ledger, event_id=ids["M1", "SENT"])
    assert results(receiver) == {ids["M1", "SENT"]: Result.ACCEPTED}
    assert broken.statuses[3:] == ["SENT"]


def test_another_began(receiver: Receiver, ids: dict[tuple[str, str], Any]) -> None:
    """One sweep's events are not touched by another, and released if it ends early."""
    first = sweep(receiver)
    next(first)
    assert results(receiver) == {}
    first.close()  # type: ignore[attr-defined]
    assert len(results(receiver)) == 2


def test_reservation_is_over(
    receiver: Receiver,
    ledger: Ledger,
    ids: dict[tuple[str, str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sweep whose reservation has expired leaves the rest, which may be another's."""
    clock = Clock()
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.time", SimpleNamespace(monotonic=clock))
    sweeping = sweep(receiver)
    next(sweeping)
    clock.now += RESERVED_SECONDS
    assert list(sweeping) == []
    assert list(ledger.reservations.due(receiver=receiver.name, limit=9)) == []


def test_due_at_once_again(
    receiver: Receiver,
    ledger: Ledger,
    ids: dict[tuple[str, str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event postponed by zero seconds is left to the next run."""
    handler = Scripted("handler", RetryLater(0))
    status_received.connect(handler)
    sizes = iter([9])  # after a batch of one, all the rest with the first again
    monkeypatch.setattr(sweep_module, "FIRST_BATCH", 1)
    monkeypatch.setattr(
        Sweep, "_fit", lambda self, *_: setattr(self, "_size", next(sizes, self._size))
    )
    results_of_first = results(receiver)
    assert sorted(results_of_first) == sorted(ids.values())
    (again,) = [key for key, one in results_of_first.items() if one is Result.POSTPONED]
    assert results(receiver) == {again: Result.ACCEPTED}
