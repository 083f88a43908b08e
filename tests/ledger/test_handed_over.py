"""A message whose lease has expired, claimed at the moment when its late holder releases it."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import text, update

from flask_fd_whatsapp.ledger import Recorded, State
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event, handling, message

from ..concurrency.threads import TIMEOUT
from ..processes.waiting import wait_until
from .entries import POLICY, claimed, end_leases

# Elsewhere a claim does not wait for the row.
pytestmark = pytest.mark.parametrize("kind", ["postgresql"])

WAITING = text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@contextmanager
def claiming_while_let_go(
    ledger: SQLLedger, event_id: int, *, is_done: bool
) -> Generator[Future[Recorded | None]]:
    """A process claims the event while its holder is committing a handler's success."""
    end_leases(ledger)
    now = datetime.now(UTC)
    success = {"event_id": event_id, "handler": "a", "is_superseded": False, "handled_at": now}
    with ThreadPoolExecutor() as pool:
        with ledger.engine.begin() as holder:
            holder.execute(update(message).values(claim_token=None, claim_until=None))
            holder.execute(handling.insert().values(**success))
            if is_done:
                holder.execute(update(event).values(due_at=None))
            claiming = pool.submit(ledger.claim, event_id, POLICY)
            with ledger.engine.connect() as observer:
                wait_until(
                    lambda: observer.execute(WAITING).first() or observer.rollback(),
                    "the other waits for the row",
                )
        yield claiming


def test_the_new_holder_knows_which_handlers_succeeded(sql_ledger: SQLLedger) -> None:
    """The new holder knows which handlers have succeeded, and does not call them again."""
    event_id = claimed(sql_ledger)[0].id
    with claiming_while_let_go(sql_ledger, event_id, is_done=False) as claiming:
        recorded = claiming.result(TIMEOUT)
    assert recorded is not None
    assert recorded.claim is not None
    assert recorded.succeeded == {"a"}


def test_a_completed_event_is_not_handled_again_by_its_new_holder(sql_ledger: SQLLedger) -> None:
    """If that completes the event, it is not handled again, and its message is released."""
    event_id = claimed(sql_ledger)[0].id
    with claiming_while_let_go(sql_ledger, event_id, is_done=True) as claiming:
        recorded = claiming.result(TIMEOUT)
    assert recorded is not None
    assert (recorded.state, recorded.claim) == (State.DONE, None)
    claimed(sql_ledger, "SENT")


def test_an_event_that_the_sweep_is_reserving_is_claimed(sql_ledger: SQLLedger) -> None:
    """A claim of an event that the sweep is reserving waits for that, and counts one attempt."""
    event_id = claimed(sql_ledger)[0].id
    end_leases(sql_ledger)
    with ThreadPoolExecutor() as pool:
        with sql_ledger.engine.begin() as sweep:
            sweep.execute(update(event).values(reserved_until=datetime.now(UTC)))
            claiming = pool.submit(sql_ledger.claim, event_id, POLICY)
            with sql_ledger.engine.connect() as observer:
                wait_until(
                    lambda: observer.execute(WAITING).first() or observer.rollback(),
                    "the other waits for the row",
                )
        recorded = claiming.result(TIMEOUT)
    assert recorded is not None
    assert recorded.claim is not None
    assert recorded.attempt == 2
