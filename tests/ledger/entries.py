"""Events to record, and ways to change a ledger from outside: time passes, a process dies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from flask_fd_whatsapp.events import DeliveryError, Status, StatusEvent
from flask_fd_whatsapp.ledger import (
    Claim,
    Entry,
    Ledger,
    MemoryLedger,
    Message,
    Policy,
    Recorded,
    State,
    Tried,
)
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event as event_table
from flask_fd_whatsapp.ledger.sql.tables import message as message_table
from flask_fd_whatsapp.ledger.views import Event

from ..concurrency.threads import Clock

POLICY = Policy(lease_seconds=60, max_attempts=3)
MOMENT = datetime(2025, 11, 18, 9, 25, 43, 455951, UTC)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
RECEIVER = "fd_whatsapp"
FAILED = Tried(failed={"handler": "ValueError: no"})


def new_memory_ledger() -> MemoryLedger:
    """An in-memory ledger whose leases end when :func:`end_leases` says so."""
    return MemoryLedger(clock=Clock())


def entry(
    status: str = "QUEUED",
    *,
    account_id: str = "1",
    message_id: str = "M1",
    reference: str | None = None,
    campaign: str | None = None,
    receiver: str = RECEIVER,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    timestamp: datetime = MOMENT,
    error: DeliveryError | None = None,
) -> Entry:
    """An event to record."""
    event = StatusEvent(
        account_id=account_id,
        message_id=message_id,
        status=Status(status) if status in list(Status) else status,
        timestamp=timestamp,
        external_reference_id=reference,
        error=error,
    )
    return Entry(
        receiver=receiver,
        event=event,
        body=body or json.dumps({"status": status}),
        headers=headers or {},
        campaign=campaign,
    )


def claimed(ledger: Ledger, status: str = "QUEUED", **fields: Any) -> tuple[Recorded, Claim]:
    """Record an event, and return it with its claim."""
    recorded = ledger.record(entry(status, **fields), POLICY)
    assert recorded.claim is not None
    return recorded, recorded.claim


def handle(ledger: Ledger, status: str = "QUEUED", **fields: Any) -> Any:
    """Record an event and complete it; return its id."""
    recorded, claim = claimed(ledger, status, **fields)
    assert claim.finish(Tried()) is State.DONE
    return recorded.id


def kill(ledger: Ledger, status: str = "QUEUED", *, times: int = 1, **fields: Any) -> Any:
    """Let this many processes die while they handle an event; return its id."""
    for _ in range(times):
        recorded, _ = claimed(ledger, status, **fields)
        end_leases(ledger)
    return recorded.id


def exhaust(ledger: Ledger, status: str = "QUEUED", **fields: Any) -> Any:
    """Let every attempt at an event fail until it is dead; return its id."""
    for _ in range(POLICY.max_attempts):
        recorded, claim = claimed(ledger, status, **fields)
        state = claim.finish(FAILED)
        make_due(ledger, event_id=recorded.id)
    assert state is State.DEAD
    return recorded.id


def the_message(ledger: Ledger, message_id: str = "M1", account_id: str | None = None) -> Message:
    found = ledger.message(message_id, account_id)
    assert found is not None
    return found


def the_event(ledger: Ledger, event_id: Any) -> Event:
    (found,) = [event for event in ledger.events(limit=1000) if event.id == event_id]
    return found


def end_leases(ledger: Ledger) -> None:
    """Let every claim expire."""
    if isinstance(ledger, SQLLedger):
        with ledger.engine.begin() as connection:
            connection.execute(
                update(message_table)
                .where(message_table.c.claim_token.is_not(None))
                .values(claim_until=LONG_AGO)
            )
    else:
        assert isinstance(ledger, MemoryLedger)
        assert isinstance(ledger.store.clock, Clock)
        ledger.store.clock.now += 24 * 3600


def make_due(ledger: Ledger, *, ago: timedelta = timedelta(hours=1), event_id: Any = None) -> None:
    """Make every pending event, or the given one, due since some time ago."""
    moment = datetime.now(UTC) - ago
    if isinstance(ledger, SQLLedger):
        pending = update(event_table).where(event_table.c.due_at.is_not(None))
        if event_id is not None:
            pending = pending.where(event_table.c.id == event_id)
        with ledger.engine.begin() as connection:
            connection.execute(pending.values(due_at=moment))
    else:
        assert isinstance(ledger, MemoryLedger)
        for _, event in ledger.store.events.values():
            if event.due_at is not None and event_id in (None, event.id):
                event.due_at = moment


def make_old(ledger: Ledger, age: timedelta) -> None:
    """Make every event recorded this long ago."""
    moment = datetime.now(UTC) - age
    if isinstance(ledger, SQLLedger):
        with ledger.engine.begin() as connection:
            connection.execute(update(event_table).values(received_at=moment))
    else:
        assert isinstance(ledger, MemoryLedger)
        for _, event in ledger.store.events.values():
            event.received_at = moment
