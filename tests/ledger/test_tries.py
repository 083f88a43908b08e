from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flask_fd_whatsapp.ledger import Ledger, State, Tried
from flask_fd_whatsapp.ledger.retry_policy import FIRST_DELAY_SECONDS

from .entries import (
    FAILED,
    POLICY,
    RECEIVER,
    claimed,
    entry,
    handle,
    kill,
    make_due,
    make_old,
    the_event,
)

MAX = POLICY.max_attempts


def fail(ledger: Ledger, *, times: int = 1) -> State:
    """Let this many attempts fail."""
    for _ in range(times):
        make_due(ledger)
        _, claim = claimed(ledger)
        state = claim.finish(FAILED)
    return state


def test_failed_attempt_is_due_later(ledger: Ledger) -> None:
    """A failed attempt is counted with its error, and due later for the sweep only."""
    recorded, claim = claimed(ledger)
    tried = Tried(failed={"one": "ValueError: a", "two": "OSError: b"})
    now = datetime.now(UTC)
    assert claim.finish(tried) is State.PENDING
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.state) == (1, State.PENDING)
    assert event.last_error == "one: ValueError: a; two: OSError: b"
    assert event.due_at is not None
    assert event.due_at - now >= timedelta(seconds=FIRST_DELAY_SECONDS * 0.7)
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=9)) == []
    claimed(ledger)  # a delivery is attempted at once


def test_event_is_dead_at_the_limit(ledger: Ledger) -> None:
    """At the limit of failed attempts the event is dead: not due, not claimed, and listed as
    dead.
    """
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
    """Attempts of dead processes count; after the last one the next claim makes the event dead,
    once.
    """
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
    """Attempts count alike whether the process died or a handler failed; the last error stays."""
    fail(ledger)
    make_due(ledger)
    kill(ledger)
    make_due(ledger)
    assert fail(ledger) is State.DEAD
    assert ledger.events()[0].last_error == "handler: ValueError: no"


def test_error_stays(ledger: Ledger) -> None:
    """The last error is still shown once the event is done."""
    fail(ledger)
    event_id = handle(ledger)
    assert the_event(ledger, event_id).last_error == "handler: ValueError: no"


LATER = Tried(postponed={"shop": "RetryLater: no stock"}, retry_after=7200)


def test_asking_for_later_never_kills(ledger: Ledger) -> None:
    """Postponing is not a failure: the event never dies of it, and is due at the requested time."""
    for _ in range(MAX + 2):
        make_due(ledger)
        recorded, claim = claimed(ledger)
        now = datetime.now(UTC)
        assert claim.finish(LATER) is State.PENDING
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.postponed) == (0, MAX + 2)
    assert event.last_error == "shop: RetryLater: no stock"
    assert event.due_at is not None
    assert abs(event.due_at - now - timedelta(seconds=7200)) < timedelta(seconds=60)
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=9)) == []
    make_due(ledger)
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=9)) == [event.id]
    assert claimed(ledger)[0].postponed == MAX + 2


@pytest.mark.parametrize("by", ["delivery", "by hand"])
def test_a_try_before_it_is_due_is_no_attempt(ledger: Ledger, by: str) -> None:
    """Quickly repeated deliveries use up no attempts, and do not change the sweep's schedule."""
    recorded, claim = claimed(ledger)
    claim.finish(FAILED)
    due_at = the_event(ledger, recorded.id).due_at
    for _ in range(MAX + 2):
        found = (
            ledger.record(entry(), POLICY)
            if by == "delivery"
            else ledger.claim(recorded.id, POLICY)
        )
        assert found is not None
        assert found.claim is not None
        assert found.claim.finish(FAILED) is State.PENDING
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.due_at) == (1, due_at)


def test_a_process_that_dies_before_it_is_due_counts(ledger: Ledger) -> None:
    """Repeated deliveries whose process dies are attempts: an event that kills processes finally
    dies.
    """
    fail(ledger)
    event_id = kill(ledger, times=MAX)
    assert the_event(ledger, event_id).attempts == MAX
    assert ledger.record(entry(), POLICY).has_died


@pytest.mark.parametrize("tried", [FAILED, LATER], ids=["failed", "later"])
def test_unfinished_for_too_long_is_dead(ledger: Ledger, tried: Tried) -> None:
    """An attempt that leaves an event unfinished after the time limit makes it dead, whatever its
    handlers ask for; they are called first, and reviving it restarts the time.
    """
    recorded, claim = claimed(ledger)
    assert claim.finish(tried) is State.PENDING
    make_old(ledger, timedelta(seconds=POLICY.give_up_after + 60))
    make_due(ledger)
    _, claim = claimed(ledger)
    assert claim.finish(tried) is State.DEAD
    event = the_event(ledger, recorded.id)
    assert (event.state, event.due_at) == (State.DEAD, None)
    assert ledger.dead_events.revive(recorded.id)
    _, claim = claimed(ledger)
    assert claim.finish(tried) is State.PENDING


def test_too_old_by_a_repeat(ledger: Ledger) -> None:
    """The age limit also applies to a delivery before the event is due."""
    _, claim = claimed(ledger)
    claim.finish(FAILED)
    make_old(ledger, timedelta(seconds=POLICY.give_up_after + 60))
    assert claimed(ledger)[1].finish(FAILED) is State.DEAD


def test_old_but_handled(ledger: Ledger) -> None:
    """An event of any age is done once it is handled."""
    _, claim = claimed(ledger)
    claim.finish(FAILED)
    make_old(ledger, timedelta(days=300))
    assert claimed(ledger)[1].finish(Tried(succeeded="handler")) is State.DONE


GAVE_UP = Tried(gave_up={"shop": "GiveUp: no such order"})


def test_event_is_dead_if_its_only_handler_gives_up(ledger: Ledger) -> None:
    """An event is dead at once if its only handler gives up, and says why."""
    recorded, claim = claimed(ledger)
    assert claim.finish(GAVE_UP) is State.DEAD
    event = the_event(ledger, recorded.id)
    assert (event.state, event.last_error) == (State.DEAD, "shop: GiveUp: no such order")


def test_one_gave_up(ledger: Ledger) -> None:
    """While another handler is left to call the event is pending, and dead once it succeeds."""
    recorded, claim = claimed(ledger)
    both = Tried(gave_up=GAVE_UP.gave_up, failed={"mails": "OSError: no"})
    assert claim.finish(both) is State.PENDING
    make_due(ledger)
    again = ledger.claim(recorded.id, POLICY)
    assert again is not None
    assert again.claim is not None
    assert again.succeeded == {"shop"}
    assert again.claim.finish(Tried(succeeded="mails")) is State.DEAD
    assert ledger.dead_events.revive(recorded.id)
    again, claim = claimed(ledger)
    assert again.succeeded == {"mails"}
    assert claim.finish(Tried(succeeded="shop")) is State.DONE


def test_replay_of_a_handler_that_gave_up(ledger: Ledger) -> None:
    """A handler that gave up can be replayed, is listed for that, and its success is recorded."""
    recorded, claim = claimed(ledger)
    claim.finish(GAVE_UP)
    assert [event.id for event in ledger.events(unhandled_by="shop")] == [recorded.id]
    replay = ledger.claim(recorded.id, POLICY, settled=True)
    assert replay is not None
    assert replay.claim is not None
    assert replay.succeeded == set()
    replay.claim.succeeded("shop")
    assert replay.claim.finish(Tried()) is State.DEAD
    assert ledger.events(unhandled_by="shop") == []
    assert ledger.dead_events.revive(recorded.id)
    assert claimed(ledger)[0].succeeded == {"shop"}


def test_later_at_once(ledger: Ledger) -> None:
    """A handler may ask to be called again at once."""
    recorded, claim = claimed(ledger)
    claim.finish(Tried(retry_after=0))
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=9)) == [recorded.id]


def test_attempt_counts_though_another_handler_asked_for_later(ledger: Ledger) -> None:
    """An attempt in which a handler failed counts, even if another one postponed."""
    recorded, claim = claimed(ledger)
    claim.finish(Tried(failed={"bad": "ValueError: no"}, retry_after=5))
    event = the_event(ledger, recorded.id)
    assert (event.attempts, event.last_error) == (1, "bad: ValueError: no")


def test_dead_event_is_made_pending_again(ledger: Ledger) -> None:
    """A dead event can be revived, due at once, with all its attempts ahead of it."""
    assert fail(ledger, times=MAX) is State.DEAD
    (event,) = ledger.events()
    assert ledger.dead_events.revive(event.id)
    assert not ledger.dead_events.revive(event.id)
    event = the_event(ledger, event.id)
    assert (event.state, event.attempts) == (State.PENDING, 0)
    assert list(ledger.reservations.due(receiver=RECEIVER, limit=9)) == [event.id]
    assert fail(ledger, times=MAX - 1) is State.PENDING
    assert fail(ledger) is State.DEAD


@pytest.mark.parametrize("is_done", [True, False])
def test_only_the_dead_are_revived(ledger: Ledger, is_done: bool) -> None:
    """Done or pending events are not revived."""
    if is_done:
        handle(ledger)
    else:
        fail(ledger)
    (event,) = ledger.events()
    assert not ledger.dead_events.revive(event.id)
    assert ledger.events() == [event]


def test_handler_that_gave_up_stays_so_where_nothing_is_revived(ledger: Ledger) -> None:
    """Reviving a pending event does not reset it."""
    recorded, claim = claimed(ledger)
    claim.finish(Tried(gave_up={"bad": "no"}, failed={"other": "ValueError: no"}))
    assert not ledger.dead_events.revive(recorded.id)
    make_due(ledger)
    again, _ = claimed(ledger)
    assert again.succeeded == {"bad"}


def test_successes_outlive_death(ledger: Ledger) -> None:
    """Handlers that succeeded before the event died are not called after a revival."""
    for _ in range(MAX):
        make_due(ledger)
        recorded, claim = claimed(ledger)
        if not recorded.succeeded:
            claim.succeeded("good")
        claim.finish(FAILED)
    assert ledger.dead_events.revive(recorded.id)
    again, _ = claimed(ledger)
    assert again.succeeded == {"good"}
