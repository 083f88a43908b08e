"""Due events are reserved by one at a time, on every ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import update

from flask_fd_whatsapp.ledger import Ledger, State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event as event_table

from .entries import FAILED, POLICY, RECEIVER, end_leases, entry, make_due, the_event

SECONDS = 3600


def reserve(ledger: Ledger, limit: int = 100, receiver: str = RECEIVER) -> list[Any]:
    return list(ledger.reservations.reserve(receiver=receiver, limit=limit, seconds=SECONDS))


def due(ledger: Ledger) -> list[Any]:
    return list(ledger.reservations.due(receiver=RECEIVER, limit=100))


@pytest.fixture
def ids(ledger: Ledger) -> list[Any]:
    """The ids of six due events, in the order in which they were recorded."""
    return record(ledger, 6)


def record(ledger: Ledger, count: int) -> list[Any]:
    return [
        ledger.record(entry(message_id=f"M{number}"), POLICY, claim=False).id
        for number in range(count)
    ]


def end_reservations(ledger: Ledger) -> None:
    """Let every reservation expire."""
    if isinstance(ledger, SQLLedger):
        with ledger.engine.begin() as connection:
            connection.execute(
                update(event_table)
                .where(event_table.c.reserved_until.is_not(None))
                .values(reserved_until=datetime.now(UTC) - timedelta(hours=1))
            )
    else:
        end_leases(ledger)  # one clock, which moves on


def test_batches_have_nothing_in_common(ledger: Ledger, ids: list[Any]) -> None:
    """Batches are disjoint and in order, until nothing is left."""
    assert [reserve(ledger, 4), reserve(ledger, 4), reserve(ledger, 4)] == [ids[:4], ids[4:], []]
    assert due(ledger) == []


@pytest.mark.parametrize("takers", [4])
def test_disjoint_at_once(sql_ledger: SQLLedger, takers: int) -> None:
    """Concurrent sweeps get different batches, and all events together."""
    ids = record(sql_ledger, 60)
    together = Barrier(takers)
    taken: list[list[Any]] = [[] for _ in range(takers)]

    def take(number: int) -> None:
        together.wait(30)
        while not set(ids) <= {event_id for batch in taken for event_id in batch}:
            taken[number] += reserve(sql_ledger, 3)

    threads = [Thread(target=take, args=(number,)) for number in range(takers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(event_id for batch in taken for event_id in batch) == ids


def test_of_receiver(ledger: Ledger, ids: list[Any]) -> None:
    """Each receiver gets its own due events; without a receiver, all are returned."""
    other = ledger.record(entry(message_id="O1", receiver="other"), POLICY, claim=False).id
    assert reserve(ledger, receiver="other") == [other]
    assert list(ledger.reservations.due(limit=100)) == ids
    assert reserve(ledger, receiver="nobody") == []


def test_no_attempt(ledger: Ledger, ids: list[Any]) -> None:
    """A reservation without an attempt counts as none, and expires."""
    for _ in range(POLICY.max_attempts + 1):
        assert reserve(ledger) == ids
        end_reservations(ledger)
    assert {event.attempts for event in ledger.events()} == {0}
    assert due(ledger) == ids


def test_events_given_back_are_due_at_once(ledger: Ledger, ids: list[Any]) -> None:
    """A released event is due at once, in its old place."""
    reserve(ledger)
    ledger.reservations.unreserve(ids[:2])
    ledger.reservations.unreserve([])
    assert due(ledger) == ids[:2]
    assert reserve(ledger) == ids[:2]


def test_extended_reservations_last_longer(ledger: Ledger, ids: list[Any]) -> None:
    """Only what is still reserved: neither released nor attempted since."""
    reserve(ledger)
    end_reservations(ledger)
    ledger.reservations.extend(ids[:1], seconds=60)
    assert due(ledger) == ids[1:]


@pytest.mark.parametrize("tried", [FAILED, Tried(retry_after=0), Tried()])
def test_what_is_no_longer_reserved_is_not_extended(
    ledger: Ledger, ids: list[Any], tried: Tried
) -> None:
    """Neither released events nor attempted ones, which are due when the attempt says so."""
    reserve(ledger)
    ledger.reservations.unreserve(ids[:1])
    recorded = ledger.claim(ids[1], POLICY)
    assert recorded is not None
    assert recorded.claim is not None
    recorded.claim.finish(tried)
    ledger.reservations.extend([*ids, -1], seconds=60)
    ledger.reservations.extend([], seconds=60)
    make_due(ledger)
    assert due(ledger) == [ids[0], *([] if tried == Tried() else [ids[1]])]


def test_no_claim(ledger: Ledger, ids: list[Any]) -> None:
    """A delivery or an explicit retry does not wait for a reservation."""
    reserve(ledger)
    recorded = ledger.claim(ids[0], POLICY)
    assert recorded is not None
    assert recorded.claim is not None
    assert recorded.claim.finish(Tried()) is State.DONE
    assert ledger.record(entry(message_id="M1"), POLICY).claim is not None


@pytest.mark.parametrize("tried", [FAILED, Tried(retry_after=0)], ids=["failed", "later"])
def test_over_after_a_try(ledger: Ledger, ids: list[Any], tried: Tried) -> None:
    """After an attempt an event is due when the attempt says so, despite a reservation."""
    reserve(ledger)
    recorded = ledger.claim(ids[0], POLICY)
    assert recorded is not None
    assert recorded.claim is not None
    recorded.claim.finish(tried)
    make_due(ledger, event_id=ids[0])
    assert due(ledger) == [ids[0]]


def test_revived_event_is_due_though_reserved(ledger: Ledger, ids: list[Any]) -> None:
    """A revived event is due at once, even if it was reserved when it died."""
    for _ in range(POLICY.max_attempts):
        make_due(ledger, event_id=ids[0])
        reserve(ledger)
        recorded = ledger.claim(ids[0], POLICY)
        assert recorded is not None
        assert recorded.claim is not None
        reserve(ledger)
        state = recorded.claim.finish(FAILED)
    assert state is State.DEAD
    assert ledger.dead_events.revive(ids[0])
    assert due(ledger) == [ids[0]]
    assert the_event(ledger, ids[0]).attempts == 0


def test_events_being_handled_are_not_handed_out(ledger: Ledger, ids: list[Any]) -> None:
    """Events being handled are not reserved."""
    assert ledger.claim(ids[0], POLICY) is not None
    assert reserve(ledger) == ids[1:]


def test_reserved_events_are_counted_by_receiver(ledger: Ledger, ids: list[Any]) -> None:
    """The number of reserved events of each receiver is known."""
    ledger.record(entry(message_id="O1", receiver="other"), POLICY, claim=False)
    assert dict(ledger.reservations.reserved()) == {}
    reserve(ledger, 4)
    reserve(ledger, receiver="other")
    assert dict(ledger.reservations.reserved()) == {RECEIVER: 4, "other": 1}
    end_reservations(ledger)
    assert dict(ledger.reservations.reserved()) == {}


def test_recorded_by_a_clock_that_was_ahead(sql_ledger: SQLLedger) -> None:
    """Events recorded before a clock was set back are due at once, and then as all others are."""
    ids = record(sql_ledger, 3)
    reserve(sql_ledger, 1)
    ahead = datetime.now(UTC) + timedelta(days=1)
    with sql_ledger.engine.begin() as connection:
        wrong = {"received_at": ahead, "due_at": ahead}
        connection.execute(update(event_table).values(wrong))
        is_reserved = event_table.c.reserved_until.is_not(None)
        connection.execute(update(event_table).where(is_reserved).values(reserved_until=ahead))
    assert sorted(reserve(sql_ledger)) == ids
    end_reservations(sql_ledger)
    failed = sql_ledger.claim(ids[0], POLICY)
    assert failed is not None
    assert failed.claim is not None
    failed.claim.finish(FAILED)
    assert sorted(reserve(sql_ledger)) == ids[1:]
    assert the_event(sql_ledger, ids[0]).attempts == 1


def test_due_later_is_not_ahead(sql_ledger: SQLLedger) -> None:
    """Events that are due tomorrow are left alone, even if a clock differed by seconds."""
    record(sql_ledger, 2)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with sql_ledger.engine.begin() as connection:
        soon = datetime.now(UTC) + timedelta(seconds=30)
        connection.execute(update(event_table).values(received_at=soon, due_at=tomorrow))
    assert reserve(sql_ledger) == []
