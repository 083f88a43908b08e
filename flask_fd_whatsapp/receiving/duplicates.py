"""Counts duplicates in each process, and writes the counts in the background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from ..ledger import Ledger
from ..per_process import PerProcess
from .write_behind import WriteBehind

INTERVAL_SECONDS: Final = 10.0
"""How often a process writes its counts; a killed process loses this much."""


class _Count:
    """The counts that are not written yet, by the hour in which the duplicates arrived."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_hour: Counter[datetime] = Counter()

    def add(self, hour: datetime, count: int) -> None:
        with self._lock:
            self._by_hour[hour] += count

    def take(self) -> Counter[datetime]:
        with self._lock:
            taken, self._by_hour = self._by_hour, Counter()
        return taken


class Duplicates:
    """Counts the duplicates that one receiver gets.

    :param name: the receiver's name.
    :param ledger: returns its ledger; may raise.
    """

    def __init__(self, name: str, ledger: Callable[[], Ledger]) -> None:
        self._name = name
        self._ledger = ledger
        self._counts = PerProcess(_Count)
        self._writes = WriteBehind(INTERVAL_SECONDS, receiver=name, what="the counts of duplicates")

    def count(self) -> None:
        """Count a duplicate that arrived now."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self._counts.get().add(hour, 1)
        self._writes.put(None, self._write)

    def _write(self) -> None:
        counts = self._counts.get()
        left = counts.take()
        try:
            while left:
                hour, count = next(iter(left.items()))
                self._ledger().reports.count_duplicates(self._name, hour, count)
                del left[hour]
        except BaseException:
            for hour, count in left.items():
                counts.add(hour, count)  # for the next time
            raise
