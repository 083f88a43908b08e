from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flask_fd_whatsapp.ledger import Ledger, State, Tried
from flask_fd_whatsapp.ledger.backoff import FIRST_DELAY_SECONDS

from .entries import (
    FAILED,
    POLICY,
    RECEIVER,
    claimed,
    entry,
    handle,
    kill,
    make_due,
    the_event,
)

MAX = POLICY.max_attempts


def fail(ledger: Ledger, *, times: int = 1) -> State:
    """Let as many tries as *times* fail."""
    for _ in range(times):
        _, claim = claimed(ledger)
        state = claim.finish(FAILED)
    return state


def test_failure(ledger: Ledger) -> None:
    """A failed try is counted, says what went wrong, and is due later for the sweep alone."""
    recorded, claim = claimed(ledger)
    tried = Tried(failed={"one": "ValueError: a", "two": "OSError: b"})
    now = datetime.now(UTC)
    assert claim.finish(tried) is State.PENDING
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.state) == (1, State.PENDING)
    assert event.last_error == "one: ValueError: a; two: OSError: b"
    assert event.due_at is not None
    assert event.due_at - now >= timedelta(seconds=FIRST_DELAY_SECONDS * 0.7)
    assert list(ledger.due(receiver=RECEIVER, limit=9)) == []
    claimed(ledger)  # a delivery is tried at once


def test_dead(ledger: Ledger) -> None:
    """At the limit of failed tries the event is dead: not due, not claimed, and listed so."""
    assert fail(ledger, times=MAX - 1) is State.PENDING
    assert fail(ledger) is State.DEAD
    again = ledger.record(entry(), POLICY)
    assert (again.state, again.claim, again.has_died) == (State.DEAD, None, False)
    event = the_event(ledger, again.id)
    assert (event.attempts, event.due_at, event.last_error) == (
        MAX,
        None,
        "handler: ValueError: no",
    )
    assert ledger.events(state=State.DEAD) == [event]
    claimed(ledger, "SENT")


@pytest.mark.parametrize("by", ["delivery", "sweep"])
def test_dead_since_processes_died(ledger: Ledger, by: str) -> None:
    """Processes that die count as tries; whoever meets the event after the last says so, once."""
    event_id = kill(ledger, times=MAX)
    assert the_event(ledger, event_id).attempts == MAX

    def meet() -> tuple[State, bool]:
        found = (
            ledger.record(entry(), POLICY) if by == "delivery" else ledger.claim(event_id, POLICY)
        )
        assert found is not None
        assert found.claim is None
        return found.state, found.has_died

    assert meet() == (State.DEAD, True)
    assert meet() == (State.DEAD, False)
    assert the_event(ledger, event_id).due_at is None
    claimed(ledger, "SENT")


def test_deaths_and_failures_add_up(ledger: Ledger) -> None:
    """A try whose process died and one that failed count alike; the last error stays."""
    fail(ledger)
    kill(ledger)
    assert fail(ledger) is State.DEAD
    assert ledger.events()[0].last_error == "handler: ValueError: no"


def test_error_stays(ledger: Ledger) -> None:
    """What went wrong last is still told once the event has come through."""
    fail(ledger)
    event_id = handle(ledger)
    assert the_event(ledger, event_id).last_error == "handler: ValueError: no"


def test_later(ledger: Ledger) -> None:
    """Who asks to be called later has not failed: never dead, due at the time asked for."""
    for _ in range(MAX + 2):
        recorded, claim = claimed(ledger)
        now = datetime.now(UTC)
        assert claim.finish(Tried(retry_after=7200)) is State.PENDING
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.last_error) == (0, None)
    assert event.due_at is not None
    assert timedelta(seconds=-60) < event.due_at - now - timedelta(seconds=7200)
    assert event.due_at - now - timedelta(seconds=7200) < timedelta(seconds=60)
    assert list(ledger.due(receiver=RECEIVER, limit=9)) == []
    make_due(ledger)
    assert list(ledger.due(receiver=RECEIVER, limit=9)) == [event.id]


def test_later_at_once(ledger: Ledger) -> None:
    """A handler may ask to be called again at once."""
    recorded, claim = claimed(ledger)
    claim.finish(Tried(retry_after=0))
    assert list(ledger.due(receiver=RECEIVER, limit=9)) == [recorded.id]


def test_failed_and_later(ledger: Ledger) -> None:
    """A try in which one handler failed counts, though another one asked to be called later."""
    recorded, claim = claimed(ledger)
    claim.finish(Tried(failed={"bad": "ValueError: no"}, retry_after=5))
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.last_error) == (1, "bad: ValueError: no")


def test_revive(ledger: Ledger) -> None:
    """A dead event can be made pending again, due at once, with all its tries before it."""
    assert fail(ledger, times=MAX) is State.DEAD
    (event,) = ledger.events()
    assert ledger.revive(event.id)
    assert not ledger.revive(event.id)
    event = the_event(ledger, event.id)
    assert (event.state, event.attempts) == (State.PENDING, 0)
    assert list(ledger.due(receiver=RECEIVER, limit=9)) == [event.id]
    assert fail(ledger, times=MAX - 1) is State.PENDING
    assert fail(ledger) is State.DEAD


@pytest.mark.parametrize("is_done", [True, False])
def test_only_the_dead_are_revived(ledger: Ledger, is_done: bool) -> None:
    """What is done or pending is not revived."""
    if is_done:
        handle(ledger)
    else:
        fail(ledger)
    (event,) = ledger.events()
    assert not ledger.revive(event.id)
    assert ledger.events() == [event]


def test_successes_outlive_death(ledger: Ledger) -> None:
    """What succeeded before the event died is not called again once it is revived."""
    for _ in range(MAX):
        recorded, claim = claimed(ledger)
        if not recorded.succeeded:
            claim.succeeded("good")
        claim.finish(FAILED)
    assert ledger.revive(recorded.id)
    again, _ = claimed(ledger)
    assert again.succeeded == {"good"}
