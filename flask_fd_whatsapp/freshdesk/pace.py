"""The pace of calls: so many a minute, across all callers.

The rate is a generic cell rate algorithm (a leaky bucket as a meter): its whole state is one
moment, and another until which all calls pause. The state is kept in a :class:`RateStore`, so that
one process, or all that share a ledger, keep the same pace.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, Self

from .api_errors import RateLimited

MINUTE: Final = 60.0

BURST: Final = 0.1
"""The share of a minute's calls that may be made in one burst."""

MARGIN: Final = 0.02
"""The share left free, since calls take different times to arrive."""


class RateState(NamedTuple):
    """The state of a pace, in seconds of its store's clock.

    :param tat: the theoretical arrival time: when the next call is due at a steady pace.
    :param paused_until: until then no call is made.
    """

    tat: float = 0.0
    paused_until: float = 0.0


class Rate:
    """A limit of calls in any minute, a tenth of them in a burst.

    :param calls_a_minute: in any window of 60 seconds.
    :raises ValueError: if no call is allowed at all.
    """

    def __init__(self, calls_a_minute: float) -> None:
        if not calls_a_minute > 0:
            raise ValueError("calls_a_minute has to be more than 0.")
        self.burst = max(1, int(calls_a_minute * BURST))
        # A window of one minute may contain the burst and a minute's steady calls.
        self._interval = MINUTE / (calls_a_minute * (1 - MARGIN) - (self.burst - 1))
        self._tolerance = self._interval * (self.burst - 1)

    def wait(self, state: RateState, now: float) -> float:
        """Return the seconds until the next call may be made, in whole microseconds."""
        return max(0.0, round(max(state.tat - self._tolerance, state.paused_until) - now, 6))

    def free(self, state: RateState, now: float) -> int:
        """How many calls may be made at once."""
        if self.wait(state, now):
            return 0
        used = (max(state.tat, now) - now) / self._interval
        return self.burst - math.ceil(round(used, 3))

    def taken(self, state: RateState, now: float) -> RateState:
        """Return the state after the next call."""
        turn = now + self.wait(state, now)
        return state._replace(tat=max(state.tat, turn) + self._interval)

    def paused(self, state: RateState, until: float) -> RateState:
        """Return the state in a pause, after which there is no burst."""
        return RateState(max(state.tat, until + self._tolerance), max(state.paused_until, until))


class RateStore(Protocol):
    """Stores a pace's state, with a clock of its own."""

    def change(self, step: Callable[[RateState, float], RateState]) -> tuple[RateState, float]:
        """Put ``step(state, now)`` in place of the state, as one compare-and-set.

        :param step: may be called several times; returns its argument to change nothing.
        :return: the state that was replaced, and the ``now`` that was used.
        """
        ...


class LocalRateStore:
    """Keeps the state in this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._state = RateState()

    def change(self, step: Callable[[RateState, float], RateState]) -> tuple[RateState, float]:
        """See :class:`RateStore`."""
        with self._lock:
            before, now = self._state, self._now()
            self._state = step(before, now)
            return before, now


class Pace:
    """Lets calls through at a rate.

    :param store: stores the state; ``None`` for this process.
    :param sleep: waits.
    """

    def __init__(
        self,
        rate: Rate,
        store: RateStore | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._store = store or LocalRateStore()
        self._sleep = sleep

    def with_sleep(self, sleep: Callable[[float], None]) -> Self:
        """Return the same pace, which waits by *sleep*; what that raises ends the wait."""
        other = copy.copy(self)
        other._sleep = sleep
        return other

    def take_turn(self, wait: float) -> float:
        """Wait until a call may be made, and count it.

        :param wait: the maximum number of seconds to wait.
        :return: the seconds that are left of them.
        :raises RateLimited: if it would take longer; no call is counted then.
        """
        while True:
            seconds = self._reserve(wait)
            if not seconds:
                return wait
            self._sleep(seconds)
            wait = max(0.0, wait - seconds)
            if not self._is_paused():
                return wait

    def rest(self, seconds: float) -> None:
        """Wait, without counting a call."""
        self._sleep(seconds)

    def pause(self, seconds: float) -> None:
        """Stop all calls for this long, as the API demanded."""
        self._store.change(lambda state, now: self._rate.paused(state, now + seconds))

    def _reserve(self, wait: float) -> float:
        rate = self._rate

        def step(state: RateState, now: float) -> RateState:
            return rate.taken(state, now) if rate.wait(state, now) <= wait else state

        seconds = rate.wait(*self._store.change(step))
        if seconds > wait:
            raise RateLimited(seconds)
        return seconds

    def _is_paused(self) -> bool:
        """Whether a pause has begun during the wait."""
        state, now = self._store.change(lambda state, now: state)
        return state.paused_until > now
