"""What the in-memory ledger evicts when it is full, and what it keeps."""

from __future__ import annotations

import pytest

from flask_fd_whatsapp.exceptions import ClaimLost, LedgerUnavailable
from flask_fd_whatsapp.ledger import MemoryLedger, State, Tried

from ..concurrency.threads import Clock
from .entries import POLICY, claimed, end_leases, entry, exhaust, handle

MAX = 2


@pytest.fixture
def ledger() -> MemoryLedger:
    """A ledger that is full with two events."""
    return MemoryLedger(max_events=MAX, clock=Clock())


def messages(ledger: MemoryLedger) -> set[str]:
    return {event.message_id for event in ledger.events()}


def test_oldest_finished_goes(ledger: MemoryLedger) -> None:
    """At the limit the message that was finished longest ago is evicted, done or dead."""
    exhaust(ledger, message_id="M1")
    for message_id in ("M2", "M3"):
        handle(ledger, message_id=message_id)
    assert messages(ledger) == {"M2", "M3"}


def test_pending_events_are_never_dropped(ledger: MemoryLedger) -> None:
    """Pending events are never evicted; with nothing else left there is no room."""
    claimed(ledger, message_id="M1")
    for message_id in ("M2", "M3"):
        handle(ledger, message_id=message_id)
    assert messages(ledger) == {"M1", "M3"}
    claimed(ledger, message_id="M4")
    with pytest.raises(LedgerUnavailable, match=r"holds 2 events.*FD_WHATSAPP_LEDGER_URL"):
        ledger.record(entry(message_id="M5"), POLICY)
    assert messages(ledger) == {"M1", "M4"}


def test_revived_stays(ledger: MemoryLedger) -> None:
    """A revived event is pending, and not evicted until it is finished again."""
    revived = exhaust(ledger, message_id="M1")
    assert ledger.dead_events.revive(revived)
    for message_id in ("M2", "M3"):
        handle(ledger, message_id=message_id)
    assert messages(ledger) == {"M1", "M3"}
    again = ledger.claim(revived, POLICY)
    assert again is not None
    assert again.claim is not None
    assert again.claim.finish(Tried()) is State.DONE
    for message_id in ("M4", "M5"):
        handle(ledger, message_id=message_id)
    assert messages(ledger) == {"M4", "M5"}


def test_replayed_stays(ledger: MemoryLedger) -> None:
    """A finished message that is being replayed is held, and not evicted meanwhile."""
    event_id = handle(ledger, message_id="M1")
    replay = ledger.claim(event_id, POLICY, settled=True)
    assert replay is not None
    assert replay.claim is not None
    for message_id in ("M2", "M3"):
        handle(ledger, message_id=message_id)
    assert replay.claim.finish(Tried()) is State.DONE
    assert messages(ledger) == {"M1", "M3"}
    for message_id in ("M4", "M5"):
        handle(ledger, message_id=message_id)
    assert messages(ledger) == {"M4", "M5"}


@pytest.mark.parametrize("is_recorded_again", [True, False])
def test_late_replay(ledger: MemoryLedger, is_recorded_again: bool) -> None:
    """A replay that outlives its lease and its message changes nothing."""
    event_id = handle(ledger, message_id="M1")
    replay = ledger.claim(event_id, POLICY, settled=True)
    assert replay is not None
    assert replay.claim is not None
    end_leases(ledger)
    for message_id in ("M2", "M3"):
        handle(ledger, message_id=message_id)
    if is_recorded_again:
        handle(ledger, message_id="M1")
    with pytest.raises(ClaimLost):
        replay.claim.finish(Tried())
    for message_id in ("M4", "M5"):
        handle(ledger, message_id=message_id)
    assert messages(ledger) == {"M4", "M5"}
