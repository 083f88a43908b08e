"""Notes about requests, in memory: the last rejections, and the use of tokens."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

from ..records import is_of
from ..views import Rejection, TokenUse


class MemoryLastRejections:
    """Stores the last rejection of each receiver and reason, for :class:`MemoryLedger`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: dict[tuple[str, str, bool], Rejection] = {}

    def note(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last of its receiver, reason and ``has_no_header``; count it."""
        key = (rejection.receiver, rejection.reason, rejection.has_no_header)
        with self._lock:
            before = self._last.get(key)
            first = before.first_seen if before else rejection.first_seen or rejection.last_seen
            count = (rejection.count or 1) + (before.count or 0 if before else 0)
            self._last[key] = replace(rejection, count=count, first_seen=first)

    def last(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection for each receiver (or this one) and reason, newest first."""
        noted = list(self._last.values())
        found = [one for one in noted if receiver is None or is_of(one.receiver, receiver)]
        return sorted(found, key=lambda one: one.last_seen, reverse=True)

    def acknowledge(self, *, receiver: str | None = None) -> int:
        """Acknowledge all so far; return how many were unacknowledged."""
        new = [one for one in self.last(receiver=receiver) if not one.is_acknowledged]
        with self._lock:
            for one in new:
                key = (one.receiver, one.reason, one.has_no_header)
                self._last[key] = replace(self._last[key], is_acknowledged=True)
        return len(new)


class MemoryLastTokenUses:
    """Stores when each position of a rotated token was last used, for :class:`MemoryLedger`."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, int], TokenUse] = {}

    def note(self, use: TokenUse) -> None:
        """Keep *use* as the last one of its receiver, header and position."""
        self._last[use.receiver, use.header, use.position] = use

    def last(self, *, receiver: str | None = None) -> list[TokenUse]:
        """The last uses of every receiver (or of this one), by header and position."""
        noted = sorted(self._last.items())
        return [use for (of_receiver, _, _), use in noted if receiver in (None, of_receiver)]
