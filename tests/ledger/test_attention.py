"""What a ledger reports to operators: pending, failing and dead events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from flask_fd_whatsapp.ledger import Ledger, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event as event_table

from .entries import (
    FAILED,
    POLICY,
    claimed,
    end_leases,
    entry,
    exhaust,
    handle,
    make_due,
    the_event,
)

SLACK = timedelta(minutes=1)
"""The database's clock may be another machine's."""


def test_acknowledge_all(ledger: Ledger) -> None:
    """Dead events are new until acknowledged, and stay dead."""
    for number in range(3):
        exhaust(ledger, message_id=f"M{number}")
    handle(ledger, message_id="done")
    assert ledger.overview.backlog().unacknowledged == 3
    assert ledger.dead_events.acknowledge() == 3
    assert (ledger.overview.backlog().unacknowledged, ledger.overview.backlog().dead) == (0, 3)
    assert ledger.dead_events.acknowledge() == 0


def test_acknowledge_by_receiver_and_id(ledger: Ledger) -> None:
    """Dead events of one receiver, or one event, can be acknowledged, and no others are."""
    first, second = (exhaust(ledger, message_id=name) for name in ("M1", "M2"))
    exhaust(ledger, message_id="M3", receiver="other")
    assert ledger.dead_events.acknowledge(receiver="other", event_id=first) == 0
    assert ledger.dead_events.acknowledge(event_id=first) == 1
    assert ledger.overview.backlog(receiver="fd_whatsapp").unacknowledged == 1
    assert ledger.dead_events.acknowledge(receiver="other") == 1
    assert ledger.overview.backlog().unacknowledged == 1
    assert ledger.dead_events.acknowledge(event_id=second) == 1
    assert ledger.dead_events.acknowledge(event_id=second + 1000) == 0


def test_what_is_not_dead_is_not_acknowledged(ledger: Ledger) -> None:
    """A pending event cannot be acknowledged in advance."""
    recorded, claim = claimed(ledger)
    claim.finish(FAILED)
    assert ledger.dead_events.acknowledge(event_id=recorded.id) == 0
    assert exhaust(ledger) == recorded.id
    assert ledger.overview.backlog().unacknowledged == 1


def test_revived_and_dead_again(ledger: Ledger) -> None:
    """An acknowledged event that is revived and dies again is new."""
    event_id = exhaust(ledger)
    ledger.dead_events.acknowledge()
    assert ledger.dead_events.revive(event_id)
    assert ledger.overview.backlog().unacknowledged == 0
    assert exhaust(ledger) == event_id
    assert ledger.overview.backlog().unacknowledged == 1


def test_dead_again_after_the_clock_was_set_back(sql_ledger: SQLLedger) -> None:
    """An event acknowledged by a clock that ran ahead is new when it dies again."""
    event_id = exhaust(sql_ledger)
    sql_ledger.dead_events.acknowledge()
    ahead = datetime.now(UTC) + timedelta(days=1)
    with sql_ledger.engine.begin() as connection:
        connection.execute(update(event_table).values(acknowledged_at=ahead))
    sql_ledger.dead_events.revive(event_id)
    exhaust(sql_ledger)
    assert sql_ledger.overview.backlog().unacknowledged == 1
    assert sql_ledger.dead_events.acknowledge() == 1


def test_the_event_due_longest_is_reported(ledger: Ledger) -> None:
    """The event that has been due longest is reported, unless it is being handled."""
    ledger.record(entry("QUEUED", message_id="M1"), POLICY, claim=False)
    _, claim = claimed(ledger, message_id="M2")
    make_due(ledger, ago=timedelta(hours=1))
    ledger.record(entry("QUEUED", message_id="M3"), POLICY, claim=False)
    due = ledger.overview.backlog().oldest_due
    assert due is not None
    assert abs(datetime.now(UTC) - timedelta(hours=1) - due) < SLACK
    claimed(ledger, message_id="M1")
    due = ledger.overview.backlog().oldest_due
    assert due is not None
    assert abs(datetime.now(UTC) - due) < SLACK
    end_leases(ledger)
    claim = claimed(ledger, message_id="M2")[1]
    claim.finish(Tried())
    assert ledger.overview.backlog(receiver="other").oldest_due is None


def test_failing_since(ledger: Ledger) -> None:
    """An event with a failed handler is reported until it is done; others are not."""
    ledger.record(entry("QUEUED", message_id="M0"), POLICY, claim=False)
    recorded, claim = claimed(ledger)
    assert ledger.overview.backlog().failing_since is None
    claim.finish(FAILED)
    event = the_event(ledger, recorded.id)
    assert ledger.overview.backlog().failing_since == event.received_at
    assert ledger.overview.backlog(receiver="other").failing_since is None
    claim = claimed(ledger)[1]
    assert ledger.overview.backlog().failing_since is None, "it may succeed this time"
    claim.finish(Tried())
    assert ledger.overview.backlog().failing_since is None


def test_asking_to_be_called_later_is_no_failure(ledger: Ledger) -> None:
    """A postponed event is not failing."""
    claimed(ledger)[1].finish(Tried(retry_after=60))
    assert ledger.overview.backlog().failing_since is None


def test_failing_since_it_was_revived(ledger: Ledger) -> None:
    """A revived event has been failing since it was revived, not since it was recorded."""
    event_id = exhaust(ledger)
    ledger.dead_events.revive(event_id)
    assert ledger.overview.backlog().failing_since is None
    claimed(ledger)[1].finish(FAILED)
    since = ledger.overview.backlog().failing_since
    assert since is not None
    assert since > the_event(ledger, event_id).received_at
