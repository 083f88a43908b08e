"""Lets something happen at most once per interval, or only once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final

MOST_KINDS: Final = 100


class Throttle:
    """Admits one of each kind per interval, and counts those it holds back.

    :param seconds: the interval.
    :param clock: a monotonic clock in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._passed_at: dict[Hashable, float] = {}
        self._held: dict[Hashable, int] = {}

    def admit(self, kind: Hashable) -> int | None:
        """Return how many of its *kind* were held back before; ``None`` if this one is, too."""
        now = self._clock()
        with self._lock:
            passed_at = self._passed_at.get(kind)
            if passed_at is not None and now - passed_at < self._seconds:
                self._held[kind] = self._held.get(kind, 0) + 1
                return None
            self._passed_at[kind] = now
            return self._held.pop(kind, 0)


class Once:
    """Admits one of each kind, and no more than :data:`MOST_KINDS` in all."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._passed: set[Hashable] = set()

    def admit(self, kind: Hashable) -> bool:
        """Whether this is the first of its *kind*."""
        with self._lock:
            if kind in self._passed or len(self._passed) >= MOST_KINDS:
                return False
            self._passed.add(kind)
            return True
