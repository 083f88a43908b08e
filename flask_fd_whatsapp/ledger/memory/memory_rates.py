"""The pace of the API's calls, in memory."""

from __future__ import annotations

from datetime import UTC, datetime

from ..pacing import PaceMoments, PaceRead
from .memory_store import MemoryStore


class MemoryRates:
    """Keeps what paces remember, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._moments: dict[str, PaceMoments] = {}

    def read(self, name: str) -> PaceRead:
        """What the pace of that name remembers."""
        with self._store.lock:
            return PaceRead(self._moments.get(name), datetime.now(UTC))

    def replace(self, name: str, before: PaceMoments | None, after: PaceMoments) -> bool:
        """Remember *after* in place of *before*; whether nobody was quicker."""
        with self._store.lock:
            if self._moments.get(name) != before:
                return False
            self._moments[name] = after
            return True
