"""The rules for retries and dead events."""

from __future__ import annotations

import random

import pytest

from flask_fd_whatsapp.ledger import Policy, State, Tried
from flask_fd_whatsapp.ledger.retry_policy import JITTER, Before, after_try, delay_after

POLICY = Policy(max_attempts=3, give_up_after=1000)
FAILED = Tried(failed={"tickets": "ValueError: no"})
LATER = Tried(postponed={"shop": "RetryLater: no stock"}, retry_after=90)
GAVE_UP = Tried(gave_up={"shop": "GiveUp: never"})

DELAYS = [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, *[21600] * 10]
"""Seconds, after 1 to 20 failed attempts."""


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)


@pytest.mark.usefixtures("no_jitter")
def test_delays_double_up_to_six_hours() -> None:
    """Delays double from half a minute to six hours, and stay there."""
    assert [delay_after(attempts) for attempts in range(1, 21)] == DELAYS
    assert delay_after(10_000) == DELAYS[-1]


def test_a_weekend_of_outage() -> None:
    """All attempts together last longer than two days, in spite of jitter."""
    assert sum(DELAYS[: Policy().max_attempts - 1]) * (1 - JITTER) > 1.9 * 86400


@pytest.mark.parametrize("attempts", [1, 5, 20])
def test_delays_differ_within_a_quarter(attempts: int) -> None:
    """Delays vary by up to a quarter."""
    delays = {delay_after(attempts) / DELAYS[attempts - 1] for _ in range(200)}
    assert len(delays) > 100
    assert 1 - JITTER <= min(delays) < 0.9
    assert 1.1 < max(delays) <= 1 + JITTER


@pytest.mark.usefixtures("no_jitter")
def test_failed_attempt_is_followed_later() -> None:
    """A failed attempt is followed by another, later each time."""
    for attempts in (1, 2):
        after = after_try(FAILED, Before(attempts=attempts, postponed=4), POLICY)
        assert (after.state, after.attempts, after.postponed) == (State.PENDING, attempts, 4)
        assert after.delay_seconds == DELAYS[attempts - 1]
        assert after.last_error == "tickets: ValueError: no"


def test_the_last_attempt() -> None:
    """The last attempt that fails makes the event dead."""
    after = after_try(FAILED, Before(attempts=3), POLICY)
    assert (after.state, after.delay_seconds) == (State.DEAD, None)


@pytest.mark.parametrize("attempts", [1, 3, 9])
def test_failed_before_it_was_due(attempts: int) -> None:
    """An attempt that does not count leaves count and time as they are."""
    after = after_try(FAILED, Before(attempts=attempts, counts=False), POLICY)
    assert (after.state, after.attempts, after.delay_seconds) == (State.PENDING, attempts, None)


@pytest.mark.parametrize(("counts", "left"), [(True, 2), (False, 3)])
def test_asking_for_later_is_no_attempt(counts: bool, left: int) -> None:
    """Postponing is not a failed attempt, is counted separately, and sets the time."""
    after = after_try(LATER, Before(attempts=3, counts=counts, postponed=4), POLICY)
    assert (after.state, after.attempts, after.postponed) == (State.PENDING, left, 5)
    assert (after.delay_seconds, after.last_error) == (90, "shop: RetryLater: no stock")


@pytest.mark.usefixtures("no_jitter")
def test_failure_counts_though_another_asked_for_later() -> None:
    """If another handler failed, it is a failed attempt, and both reasons are kept."""
    both = Tried(failed=FAILED.failed, postponed=LATER.postponed, retry_after=90)
    after = after_try(both, Before(attempts=1), POLICY)
    assert (after.attempts, after.postponed, after.delay_seconds) == (1, 1, DELAYS[0])
    assert after.last_error == "tickets: ValueError: no; shop: RetryLater: no stock"


@pytest.mark.parametrize("tried", [FAILED, LATER])
@pytest.mark.parametrize("counts", [True, False])
def test_what_is_too_old_is_dead(tried: Tried, counts: bool) -> None:
    """Beyond the age limit an unfinished event is dead, and not before."""
    for age, state in [(1000, State.PENDING), (1000.1, State.DEAD)]:
        after = after_try(tried, Before(attempts=1, counts=counts, age_seconds=age), POLICY)
        assert after.state is state


@pytest.mark.parametrize("has_given_up", [False, True])
def test_nothing_left_to_call(has_given_up: bool) -> None:
    """An event handled by all is done at any age, but dead if a handler gave up before."""
    before = Before(attempts=9, age_seconds=1e9, has_given_up=has_given_up)
    after = after_try(Tried(succeeded="tickets"), before, POLICY)
    assert after.state is (State.DEAD if has_given_up else State.DONE)


def test_last_handler_that_gives_up_makes_dead() -> None:
    """If the last remaining handler gives up, the event is dead at once."""
    after = after_try(GAVE_UP, Before(attempts=1), POLICY)
    assert (after.state, after.last_error) == (State.DEAD, "shop: GiveUp: never")


@pytest.mark.parametrize("other", [FAILED, LATER])
def test_gave_up_with_others_left(other: Tried) -> None:
    """While another handler has still to be called the event stays pending."""
    tried = Tried(
        failed=other.failed,
        postponed=other.postponed,
        retry_after=other.retry_after,
        gave_up=GAVE_UP.gave_up,
    )
    assert after_try(tried, Before(attempts=1), POLICY).state is State.PENDING
