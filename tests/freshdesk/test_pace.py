"""The pace of calls."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_fd_whatsapp.freshdesk import RateLimited
from flask_fd_whatsapp.freshdesk.pace import LocalRateStore, Pace, Rate, RateState
from flask_fd_whatsapp.freshdesk.shared_pace import budgets_of, paces_of
from flask_fd_whatsapp.ledger.memory.memory_ledger import MemoryLedger
from flask_fd_whatsapp.ledger.pacing import PaceMoments


class Clock:
    """A clock that advances only during sleeps."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def pace_of(calls_a_minute: float, clock: Clock) -> Pace:
    return Pace(Rate(calls_a_minute), LocalRateStore(clock), sleep=clock.sleep)


def test_a_burst_and_then_one_by_one() -> None:
    """A tenth of a minute's calls go at once, those after that at even intervals."""
    clock = Clock()
    pace = pace_of(600, clock)
    for _ in range(63):
        pace.take_turn(5)
    assert len(clock.slept) == 3
    assert clock.slept == pytest.approx([60 / 529] * 3, rel=0.01)


@settings(max_examples=60)
@given(
    st.integers(1, 2000),
    st.lists(st.floats(0, 90), max_size=30),
)
def test_never_more_than_allowed(calls_a_minute: int, idle: list[float]) -> None:
    """In no window of a minute are there more calls than the rate says, whatever came before."""
    clock = Clock()
    pace = pace_of(calls_a_minute, clock)
    times = []
    for pause in [*idle, *[0.0] * min(2 * calls_a_minute, 600)]:
        clock.now += pause
        pace.take_turn(1e9)
        times.append(clock.now)
    for place in range(len(times) - calls_a_minute):
        assert times[place + calls_a_minute] - times[place] >= 60


def test_it_is_used() -> None:
    """A busy minute holds nearly as many calls as are allowed."""
    clock = Clock()
    pace = pace_of(600, clock)
    minutes: Counter[int] = Counter()
    for _ in range(1500):
        pace.take_turn(60)
        minutes[int(clock.now - 1000) // 60] += 1
    assert minutes[0] > 0.95 * 600
    assert minutes[1] > 0.85 * 600


def test_too_long_a_wait() -> None:
    """A turn that would take longer than allowed is an error with the time, and is not taken."""
    clock = Clock()
    pace = pace_of(1, clock)
    pace.take_turn(0)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            pace.take_turn(5)
        assert 55 < caught.value.retry_after < 63
    clock.now += caught.value.retry_after
    pace.take_turn(0)
    assert clock.slept == []


def test_what_is_left_to_wait() -> None:
    """The time that a turn has taken is no longer there for the next."""
    pace = pace_of(60, Clock())
    for _ in range(6):
        assert pace.take_turn(5) == 5
    assert pace.take_turn(5) == pytest.approx(5 - 60 / 53.8, abs=0.01)


def test_a_pause_holds_everybody_up() -> None:
    """After a 429 no call is made until the pause is over, and no burst follows."""
    clock = Clock()
    pace = pace_of(600, clock)
    pace.pause(30)
    with pytest.raises(RateLimited) as caught:
        pace.take_turn(29)
    assert caught.value.retry_after == pytest.approx(30)
    for _ in range(3):
        pace.take_turn(60)
    assert clock.slept == pytest.approx([30, 60 / 529, 60 / 529], rel=0.01)


def test_a_shorter_pause_ends_no_longer_one() -> None:
    """Of two pauses the later end counts."""
    clock = Clock()
    pace = pace_of(600, clock)
    pace.pause(30)
    pace.pause(1)
    pace.take_turn(60)
    assert clock.slept == pytest.approx([30])


def test_a_pause_while_one_waits() -> None:
    """A caller waiting for a turn when a pause begins waits for its end, too."""
    clock = Clock()

    def sleep(seconds: float) -> None:
        if not clock.slept:
            pace.pause(20)
        clock.sleep(seconds)

    pace = Pace(Rate(60), LocalRateStore(clock), sleep=sleep)
    for _ in range(7):
        pace.take_turn(60)
    assert clock.now - 1000 >= 20


def test_a_turn_by_a_clock_that_was_ahead() -> None:
    """What was noted before the ledger's clock was set back by a day holds nobody up."""
    rates = MemoryLedger().rates
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert rates.replace("a/send", None, PaceMoments(tomorrow, tomorrow))
    sending, _ = budgets_of(rates, "a", 600)
    assert (sending.free, sending.paused_for) == (sending.burst, None)
    assert paces_of(lambda: rates, "a", 600).sending.take_turn(0) == 0


def test_what_is_free_may_be_called_at_once() -> None:
    """Free calls do not wait, one more does, and in a pause none is free."""
    rate, state, now = Rate(600), RateState(), 1000.0
    assert rate.free(state, now) == rate.burst == 60
    for left in range(59, -1, -1):
        assert rate.wait(state, now) == 0
        state = rate.taken(state, now)
        assert rate.free(state, now) == left
    assert rate.wait(state, now) > 0
    assert rate.free(state, now + 1) == 8
    assert rate.free(rate.paused(RateState(), now + 30), now) == 0


@pytest.mark.parametrize("calls", [0, -1, float("nan")])
def test_no_room_for_a_call(calls: float) -> None:
    """A rate of none is an error."""
    with pytest.raises(ValueError, match="calls_a_minute"):
        Rate(calls)


def test_threads_share_a_pace() -> None:
    """Threads that take turns at once take different ones."""
    taken: list[float] = []
    pace = Pace(Rate(600), LocalRateStore(Clock()), sleep=taken.append)
    threads = [threading.Thread(target=pace.take_turn, args=(60,)) for _ in range(80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == pytest.approx([n * 60 / 529 for n in range(1, 21)], rel=0.01)
