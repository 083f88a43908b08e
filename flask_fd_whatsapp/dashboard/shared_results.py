"""What the pages have found out, shared by all who look for a minute."""

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
"""Seconds that one visit waits in all for what others compute; a worker's time-out is longer."""


class StillComputing(FreshdeskWhatsAppError):
    """Somebody else computes what is asked for, and is not done in time."""


@dataclass(slots=True)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    until: float | None = None
    value: Any = None


class SharedResults:
    """One computation for all who ask within a minute.

    Readers that overlap would keep SQLite's write-ahead log from shrinking, and a million messages
    take seconds to go through.  What raises is not kept.

    :param seconds: how long a result is given to others.
    :param clock: in seconds, and never going back.
    """

    def __init__(
        self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def deadline(self) -> float:
        """Until when a visit that begins now waits for others, by the clock of these results."""
        return self._clock() + PATIENCE

    def is_past(self, deadline: float) -> bool:
        """Whether that deadline is over."""
        return self._clock() >= deadline

    def get(
        self,
        key: Hashable,
        compute: Callable[[], T],
        *,
        deadline: float,
        seconds: float | None = None,
    ) -> T:
        """What *compute* gave within the last minute, or gives now.

        :param deadline: until when to wait while somebody else computes it.
        :param seconds: instead of a minute.
        :raises StillComputing: if nothing is there by then.
        """
        lasts = self._seconds if seconds is None else seconds
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
                slot.until = self._clock() + lasts
            value: T = slot.value
            return value
        finally:
            slot.lock.release()

    def _drop_expired(self) -> None:
        """Erased messages are not to stay in memory until their room is needed."""
        old = [
            key
            for key, slot in self._slots.items()
            if slot.until is not None and self.is_past(slot.until) and not slot.lock.locked()
        ]
        for key in old:
            del self._slots[key]
