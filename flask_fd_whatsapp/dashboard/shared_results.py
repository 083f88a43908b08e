"""The pages' results, cached for all visitors for a minute."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, TypeVar

from ..exceptions import FreshdeskWhatsAppError

T = TypeVar("T")

SECONDS: Final = 60.0
MOST: Final = 200

PATIENCE: Final = 10.0
"""Seconds for which a visit waits in all for others' results; less than a worker's time-out."""


class StillComputing(FreshdeskWhatsAppError):
    """Another request is computing the result, and is not done in time."""


@dataclass(slots=True)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    until: float | None = None
    value: Any = None


class SharedResults:
    """One computation for all requests within a minute.

    Overlapping readers would keep SQLite's write-ahead log from shrinking, and scanning a million
    messages takes seconds.  Failures are not cached.

    :param seconds: how long a result is cached.
    :param clock: monotonic, in seconds.
    """

    def __init__(
        self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def deadline(self) -> float:
        """When a visit that begins now stops waiting for others, by the clock of these results."""
        return self._clock() + PATIENCE

    def is_past(self, deadline: float) -> bool:
        """Whether that deadline has passed."""
        return self._clock() >= deadline

    def get(
        self,
        key: Hashable,
        compute: Callable[[], T],
        *,
        deadline: float,
        seconds: float | Callable[[T], float] | None = None,
    ) -> T:
        """What *compute* returned within the last minute, or returns now.

        :param deadline: when to stop waiting for another request that computes it.
        :param seconds: instead of a minute; may depend on the result.
        :raises StillComputing: if there is no result by then.
        """
        with self._lock:
            self._drop_expired()
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _Slot()
            self._slots.move_to_end(key)
            while len(self._slots) > MOST:
                self._slots.popitem(last=False)
        if not slot.lock.acquire(timeout=max(deadline - self._clock(), 0)):
            raise StillComputing("Somebody else is computing this, and is not done yet.")
        try:
            if slot.until is None or self.is_past(slot.until):
                slot.value = compute()
                lasts = seconds(slot.value) if callable(seconds) else seconds
                slot.until = self._clock() + (self._seconds if lasts is None else lasts)
            value: T = slot.value
            return value
        finally:
            slot.lock.release()

    def _drop_expired(self) -> None:
        """Evict expired results, so that erased messages do not stay in memory."""
        old = [
            key
            for key, slot in self._slots.items()
            if slot.until is not None and self.is_past(slot.until) and not slot.lock.locked()
        ]
        for key in old:
            del self._slots[key]
