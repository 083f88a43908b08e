from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from flask_fd_whatsapp.exceptions import ClaimLost
from flask_fd_whatsapp.ledger import Ledger, Policy, State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import message as message_table

from ..concurrency.threads import TIMEOUT
from .entries import (
    FAILED,
    POLICY,
    RECEIVER,
    claimed,
    end_leases,
    entry,
    handle,
    make_due,
    the_event,
)


def due(ledger: Ledger) -> list[Any]:
    return list(ledger.reservations.due(receiver=RECEIVER, limit=100))


def test_while_an_event_is_handled_its_message_cannot_be_claimed(ledger: Ledger) -> None:
    """While an event is handled, no event of its message can be claimed, but others can."""
    recorded, _ = claimed(ledger, "QUEUED")
    for status in ("QUEUED", "SENT", "SENT"):
        other = ledger.record(entry(status), POLICY)
        assert (other.claim, other.state) == (None, State.PENDING)
    assert the_event(ledger, other.id).attempts == 0
    held = ledger.claim(recorded.id, POLICY)
    assert held is not None
    assert (held.claim, held.state) == (None, State.PENDING)
    claimed(ledger, message_id="M2")
    claimed(ledger, account_id="2")


def test_finish_lets_go(ledger: Ledger) -> None:
    """A finished attempt releases the message: its next event is claimed, the first one is done."""
    first, claim = claimed(ledger, "QUEUED")
    second = ledger.record(entry("SENT"), POLICY)
    assert claim.finish(Tried()) is State.DONE
    assert the_event(ledger, first.id).due_at is None
    again = ledger.claim(second.id, POLICY)
    assert again is not None
    assert again.claim is not None
    settled = ledger.claim(first.id, POLICY)
    assert settled is not None
    assert (settled.state, settled.claim) == (State.DONE, None)


def test_success_by_handler(ledger: Ledger) -> None:
    """Each handler's success is recorded, and returned with the next claim on that event."""
    recorded, claim = claimed(ledger)
    assert recorded.succeeded == frozenset()
    for handler in ("first", "First", "first "):
        claim.succeeded(handler)
    tried = Tried(succeeded="last", superseded=["gone by"], failed={"bad": "ValueError: no"})
    assert claim.finish(tried) is State.PENDING
    again, claim = claimed(ledger)
    assert again.succeeded == {"first", "First", "first ", "last", "gone by"}
    assert claim.finish(Tried(succeeded="bad")) is State.DONE
    other, _ = claimed(ledger, "SENT")
    assert other.succeeded == frozenset()


@pytest.mark.parametrize(
    "write",
    [
        lambda claim: claim.succeeded("late"),
        lambda claim: claim.finish(Tried(succeeded="late")),
        lambda claim: claim.finish(Tried(superseded=["late"])),
        lambda claim: claim.finish(FAILED),
        lambda claim: claim.finish(Tried(retry_after=5)),
    ],
    ids=["succeeded", "finish", "superseded", "failed", "later"],
)
@pytest.mark.parametrize("status", ["QUEUED", "SENT"])
def test_lost_claim_changes_nothing(ledger: Ledger, status: str, write: Any) -> None:
    """A holder whose message was taken over can change nothing."""
    first, late = claimed(ledger, "QUEUED")
    end_leases(ledger)
    second, claim = claimed(ledger, status)
    before = ledger.events(), ledger.message("M1")
    with pytest.raises(ClaimLost, match=r"within 60 seconds"):
        write(late)
    assert (ledger.events(), ledger.message("M1")) == before
    assert ledger.record(entry("READ"), POLICY).claim is None
    claim.succeeded("in time")
    assert claim.finish(Tried()) is State.DONE
    with pytest.raises(ClaimLost):
        write(late)
    again = ledger.claim(second.id, POLICY, settled=True)
    assert again is not None
    assert again.succeeded == {"in time"}
    assert the_event(ledger, first.id).last_error is None


def test_late_but_not_taken(ledger: Ledger) -> None:
    """An expired lease does no harm until somebody else claims the message."""
    recorded, claim = claimed(ledger)
    end_leases(ledger)
    claim.succeeded("first")
    assert ledger.record(entry(), POLICY).claim is None
    end_leases(ledger)
    assert claim.finish(Tried(succeeded="last")) is State.DONE
    assert the_event(ledger, recorded.id).state is State.DONE


def test_finished_claim_is_over(ledger: Ledger) -> None:
    """A finished claim is lost, even if nobody has claimed the message since."""
    recorded, claim = claimed(ledger)
    claim.finish(FAILED)
    for write in (lambda: claim.succeeded("late"), lambda: claim.finish(Tried())):
        with pytest.raises(ClaimLost):
            write()
    assert the_event(ledger, recorded.id).state is State.PENDING


def test_lease_is_that_of_the_policy(ledger: Ledger) -> None:
    """A claim holds as long as its policy says."""
    short = Policy(lease_seconds=0.01, max_attempts=9)
    recorded = ledger.record(entry(), short)
    if hasattr(ledger, "store"):
        ledger.store.clock.now += 0.01
    again = ledger.claim(recorded.id, short, wait=TIMEOUT)
    assert again is not None
    assert again.claim is not None


def test_waiting_gets_the_message_next(ledger: Ledger) -> None:
    """A waiter gets the message when the holder releases it."""
    _, holder = claimed(ledger)
    second = ledger.record(entry("SENT"), POLICY)
    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(ledger.claim, second.id, POLICY, wait=TIMEOUT)
        holder.finish(Tried())
        found = waiter.result(TIMEOUT)
    assert found is not None
    assert found.claim is not None
    assert found.claim.finish(Tried()) is State.DONE


def test_waiting_for_the_same_event(ledger: Ledger) -> None:
    """A waiter for an event being handled learns that it is done."""
    recorded, holder = claimed(ledger)
    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(ledger.claim, recorded.id, POLICY, wait=TIMEOUT)
        holder.finish(Tried())
        found = waiter.result(TIMEOUT)
    assert found is not None
    assert (found.state, found.claim) == (State.DONE, None)


def test_waiting_in_vain(ledger: Ledger) -> None:
    """A waiter gets no claim from a holder that keeps it."""
    recorded, _ = claimed(ledger)
    found = ledger.claim(recorded.id, POLICY, wait=0.05)
    assert found is not None
    assert (found.state, found.claim) == (State.PENDING, None)
    assert the_event(ledger, recorded.id).attempts == 1


def test_waiting_does_not_wait_for_the_handlers_transaction(sql_ledger: SQLLedger) -> None:
    """A request stops waiting for its message in time, even if a handler holds the whole file."""
    held = sql_ledger.record(entry(), POLICY)
    assert held.claim is not None
    held.claim.transaction.connection.exec_driver_sql("SELECT 1")  # type: ignore[attr-defined]
    waited = sql_ledger.claim(held.id, POLICY, wait=0.02)
    assert waited is not None
    assert waited.claim is None
    held.claim.undo()


@pytest.mark.parametrize("settled", [True, False])
def test_no_such_event(ledger: Ledger, settled: bool) -> None:
    """An event that does not exist, or not any more, cannot be claimed or revived."""
    event_id = handle(ledger)
    assert ledger.prune(before=datetime.now(UTC) + timedelta(days=1), limit=10) == 1
    for missing in (event_id, 10**12):
        assert ledger.claim(missing, POLICY, wait=TIMEOUT, settled=settled) is None
        assert not ledger.dead_events.revive(missing)


def test_due_events_come_longest_due_first(ledger: Ledger) -> None:
    """Due events are returned longest due first, by receiver, up to the limit."""
    ids = [
        ledger.record(entry(message_id=f"M{number}"), POLICY, claim=False).id for number in range(4)
    ]
    ledger.record(entry(message_id="other", receiver="other"), POLICY, claim=False)
    for event_id, hours in zip(ids, (1, 3, 2, 4), strict=True):
        make_due(ledger, ago=timedelta(hours=hours), event_id=event_id)
    make_due(ledger, ago=timedelta(hours=-1), event_id=ids[3])
    assert due(ledger) == [ids[1], ids[2], ids[0]]
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=2)) == [ids[1], ids[2]]
    assert len(ledger.reservations.due(receiver="other", limit=2)) == 1
    assert list(ledger.reservations.due(receiver="nobody", limit=2)) == []


def test_attempt_counts_only_if_the_event_was_due(ledger: Ledger) -> None:
    """Attempts at an event that is not due yet do not count, but if their process dies it is due
    at once, and the next one does.
    """
    recorded, claim = claimed(ledger)
    claim.finish(FAILED)
    for attempts in (1, 2):
        assert ledger.claim(recorded.id, POLICY) is not None
        assert the_event(ledger, recorded.id).attempts == attempts
        end_leases(ledger)
        assert due(ledger) == [recorded.id]


def test_held_messages_are_not_due(ledger: Ledger) -> None:
    """While a message is handled none of its events is due; after its lease, all are."""
    first, _ = claimed(ledger, "QUEUED")
    second = ledger.record(entry("SENT"), POLICY, claim=False)
    assert due(ledger) == []
    end_leases(ledger)
    assert due(ledger) == [first.id, second.id]


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_claim_of_a_clock_that_was_ahead(sql_ledger: SQLLedger) -> None:
    """On SQLite a claim dated hours ahead, left by a crash before the clock was corrected, has
    expired.
    """
    recorded, _ = claimed(sql_ledger)
    now = datetime.now(UTC)
    with sql_ledger.engine.begin() as connection:
        ahead = {"claimed_at": now + timedelta(hours=2), "claim_until": now + timedelta(hours=3)}
        connection.execute(update(message_table).values(ahead))
    assert sql_ledger.overview.being_handled() == []
    for claim in (
        lambda: sql_ledger.record(entry(), POLICY).claim,
        lambda: sql_ledger.record(entry("SENT"), POLICY).claim,
        lambda: sql_ledger.claim(recorded.id, POLICY).claim,  # type: ignore[union-attr]
    ):
        with sql_ledger.engine.begin() as connection:
            connection.execute(update(message_table).values(ahead))
        assert claim() is not None


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_claim_of_a_clock_that_differs_a_little(sql_ledger: SQLLedger) -> None:
    """On SQLite a clock set back by seconds expires nobody's claim."""
    recorded, _ = claimed(sql_ledger)
    now = datetime.now(UTC)
    with sql_ledger.engine.begin() as connection:
        ahead = {"claimed_at": now + timedelta(seconds=30)}
        connection.execute(update(message_table).values(ahead))
    assert sql_ledger.record(entry(), POLICY).claim is None
    assert sql_ledger.claim(recorded.id, POLICY).claim is None  # type: ignore[union-attr]
