from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from flask_fd_whatsapp.exceptions import ClaimLost
from flask_fd_whatsapp.ledger import Ledger, State, Tried

from ..concurrency.threads import TIMEOUT
from .entries import (
    FAILED,
    POLICY,
    RECEIVER,
    claimed,
    end_leases,
    entry,
    exhaust,
    handle,
    the_event,
)

SETTLED = {"done": handle, "dead": exhaust}


@pytest.mark.parametrize(
    "tried", [Tried(succeeded="new"), FAILED, Tried(retry_after=9)], ids=["done", "failed", "later"]
)
@pytest.mark.parametrize("state", [State.DONE, State.DEAD])
def test_settled_event_is_claimed_for_one_more_handler(
    ledger: Ledger, state: State, tried: Tried
) -> None:
    """A settled event can be claimed for one more handler, without changing the event."""
    event_id = SETTLED[state](ledger)
    before = the_event(ledger, event_id)
    found = ledger.claim(event_id, POLICY, settled=True)
    assert found is not None
    assert found.claim is not None
    assert (found.state, the_event(ledger, event_id)) == (state, before)
    found.claim.succeeded("another")
    assert ledger.record(entry("PLAYED"), POLICY).claim is None
    assert found.claim.finish(tried) is state
    assert the_event(ledger, event_id) == before
    again = ledger.claim(event_id, POLICY, settled=True)
    assert again is not None
    assert again.succeeded == {"another", *([tried.succeeded] if tried.succeeded else [])}
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=9)) == []


def test_settled_waits_for_the_holder(ledger: Ledger) -> None:
    """A replay waits while another event of the message is handled, and gets it then."""
    event_id = handle(ledger, "QUEUED")
    _, holder = claimed(ledger, "SENT")
    held = ledger.claim(event_id, POLICY, settled=True)
    assert held is not None
    assert held.claim is None
    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(ledger.claim, event_id, POLICY, wait=TIMEOUT, settled=True)
        holder.finish(Tried())
        found = waiter.result(TIMEOUT)
    assert found is not None
    assert found.claim is not None


def test_settled_is_not_pruned(ledger: Ledger) -> None:
    """A message being replayed is not pruned until it is released or its lease expires."""
    event_id = handle(ledger)
    found = ledger.claim(event_id, POLICY, settled=True)
    assert found is not None
    assert found.claim is not None
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert ledger.prune(before=tomorrow, limit=9) == 0
    found.claim.finish(Tried(succeeded="late"))
    found = ledger.claim(event_id, POLICY, settled=True)
    assert found is not None
    assert found.claim is not None
    assert found.succeeded == {"late"}
    end_leases(ledger)
    assert ledger.prune(before=tomorrow, limit=9) == 1
    with pytest.raises(ClaimLost):
        found.claim.finish(Tried())
    assert ledger.events() == []


@pytest.mark.parametrize("is_held", [True, False])
def test_pending_is_not_settled(ledger: Ledger, is_held: bool) -> None:
    """A replay neither waits for nor claims a pending event."""
    recorded = ledger.record(entry(), POLICY, claim=is_held)
    before = the_event(ledger, recorded.id)
    with ThreadPoolExecutor(1) as pool:
        replay = pool.submit(ledger.claim, recorded.id, POLICY, wait=TIMEOUT, settled=True)
        try:
            found = replay.result(TIMEOUT / 6)
        finally:
            end_leases(ledger)
            ledger.record(entry(), POLICY).claim.finish(Tried())  # lets a replay that waits go
    assert found is not None
    assert (found.state, found.claim) == (State.PENDING, None)
    assert before.attempts == int(is_held)
