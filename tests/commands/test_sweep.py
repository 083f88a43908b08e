"""The sweep by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat, zip_longest
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import RetryLater
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.receiving.responses import Result
from flask_fd_whatsapp.receiving.sweep import FIRST_BATCH, Sweep, sweep

from ..concurrency.threads import Clock
from .conftest import Post, Tickets, ledger_of, receiver_of, states


@pytest.fixture
def due(deferred: Flask, post: Post) -> Flask:
    """An application with five due events."""
    for number in range(5):
        post(deferred, data__message_id=f"M{number}")
    return deferred


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_sweep_handles_every_event_once(
    due: Flask, tickets: Tickets, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every event is handled once and in order, whatever the batch size."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH", batch)
    swept = list(sweep(receiver_of(due)))
    assert [result for _, result in swept] == [Result.ACCEPTED] * 5
    assert tickets.calls == [f"M{number}" for number in range(5)]


def test_due_at_once_again(due: Flask, tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that are due again at once are left to the next sweep, and delay no others."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH", 2)
    tickets.error = RetryLater(0)
    assert [result for _, result in sweep(receiver_of(due))] == [Result.POSTPONED] * 5
    assert len(tickets.calls) == 5


def test_two_at_once(due: Flask, tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two concurrent sweeps, each event is handled by one, and not even read by the other."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH", 2)
    both = zip_longest(sweep(receiver_of(due)), sweep(receiver_of(due)))
    results = [swept.result for pair in both for swept in pair if swept]
    assert sorted(tickets.calls) == [f"M{number}" for number in range(5)]
    assert results == [Result.ACCEPTED] * 5


def test_forgotten_in_between(due: Flask, tickets: Tickets) -> None:
    """An event that disappears before its turn is skipped."""
    sweeping = sweep(receiver_of(due))
    next(sweeping)
    with ledger_of(due).engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("DELETE FROM fd_whatsapp_event WHERE id = 2")
    assert [result for _, result in sweeping] == [Result.DUPLICATE] + [Result.ACCEPTED] * 3


def test_sweep_asks_whether_to_stop(due: Flask, tickets: Tickets) -> None:
    """It checks before each event whether to stop."""
    swept = list(sweep(receiver_of(due), should_stop=lambda: len(tickets.calls) == 2))
    assert len(swept) == 2
    assert list(states(due).values()) == ["done"] * 2 + ["pending"] * 3


def test_sweep_ends_between_batches(
    due: Flask, tickets: Tickets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep whose time is over finishes its batch, unless that takes long."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH", 2)
    whole = Sweep(receiver_of(due)).run(is_over=lambda: len(tickets.calls) > 0)
    assert len(list(whole)) == 2
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH_SECONDS", 0.0)
    part = Sweep(receiver_of(due)).run(is_over=lambda: len(tickets.calls) > 2)
    assert len(list(part)) == 1
    assert len(ledger_of(due).reservations.due(limit=10)) == 2


@pytest.mark.parametrize("place", [0, 3], ids=["first", "later"])
def test_event_that_waited_does_not_shrink_batches(
    due: Flask, tickets: Tickets, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """The next batch is as large as the time of all events but the longest, which may have waited
    for another process."""
    clock, limits = Clock(), list[int]()
    seconds = chain(repeat(0.01, place), [5.0], repeat(0.01))
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.time", SimpleNamespace(monotonic=clock))
    tickets.before = lambda: setattr(clock, "now", clock.now + next(seconds))
    reservations = ledger_of(due).reservations
    reserve = reservations.reserve

    def noted(*, receiver: str, limit: int, seconds: float) -> Sequence[Any]:
        limits.append(limit)
        return reserve(receiver=receiver, limit=limit, seconds=seconds)

    monkeypatch.setattr(reservations, "reserve", noted)
    assert len(list(sweep(receiver_of(due)))) == 5
    assert limits == [FIRST_BATCH, 20]


def test_ledger_goes_down(due: Flask, tickets: Tickets) -> None:
    """If the ledger goes down, the sweep raises its error."""
    engine = ledger_of(due).engine  # type: ignore[attr-defined]

    def rename() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE fd_whatsapp_handling RENAME TO away")

    tickets.before = rename
    with pytest.raises(LedgerUnavailable):
        list(sweep(receiver_of(due)))
    assert tickets.calls == ["M0"]
