"""The pace of the API's calls, in memory."""

from __future__ import annotations

from datetime import UTC, datetime

from ..pacing import PaceMoments, PaceRead
from .memory_store import MemoryStore


class MemoryRates:
    """Stores the state of paces, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._moments: dict[str, PaceMoments] = {}

    def read(self, name: str) -> PaceRead:
        """The state of the pace with that name."""
        with self._store.lock:
            return PaceRead(self._moments.get(name), datetime.now(UTC))

    def replace(self, name: str, before: PaceMoments | None, after: PaceMoments) -> bool:
        """Compare-and-set *before* to *after*; return whether it succeeded."""
        with self._store.lock:
            if self._moments.get(name) != before:
                return False
            self._moments[name] = after
            return True
