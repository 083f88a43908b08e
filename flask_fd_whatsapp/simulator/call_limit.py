"""The account's rate limit, and how many calls were made in the busiest minute."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

MINUTE: Final = 60.0

PRO: Final = 1000
"""Calls a minute, by plan: the only two that can send."""


class ApiCall(NamedTuple):
    """A call that was made, even if it was refused.

    :param at: when, in real seconds of the double's clock.
    """

    method: str
    path: str
    at: float


class CallLimit:
    """A limit of calls per minute, for sends and reads together.

    :param now: returns real seconds, from any origin.
    """

    def __init__(self, calls_a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self.calls_a_minute = calls_a_minute
        self.calls: list[ApiCall] = []
        self._now = now
        self._lock = threading.Lock()
        self._ends = now()
        self._left = 0

    def count(self, method: str, path: str) -> tuple[int, int]:
        """Count a call; return how many are left, and the seconds to wait if none was."""
        with self._lock:
            now = self._now()
            self.calls.append(ApiCall(method, path, now))
            if now >= self._ends:
                self._ends, self._left = now + MINUTE, self.calls_a_minute
            if self._left:
                self._left -= 1
                return self._left, 0
            return 0, max(1, math.ceil(self._ends - now))

    @property
    def most_in_a_minute(self) -> int:
        """The number of calls in the busiest 60 seconds, whenever they begin."""
        with self._lock:
            times = sorted(call.at for call in self.calls)
        most = first = 0
        for last, at in enumerate(times):
            while at - times[first] >= MINUTE:
                first += 1
            most = max(most, last - first + 1)
        return most
