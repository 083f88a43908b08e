"""Unknown fields and values seen in payloads, in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..drift import MOST, Drift
from .memory_store import MemoryStore


class MemoryDriftRecord:
    """Stores drift, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._seen: dict[tuple[str, ...], Drift] = {}
        store.on_forgetting(self._forget_example)

    def note(self, drifts: Collection[Drift]) -> None:
        """Add to what was seen; of examples, only messages that are in the ledger."""
        with self._store.lock:
            for drift in drifts:
                if drift.example not in self._store.messages:
                    drift = replace(drift, example=None)
                known = self._seen.get(drift.key)
                self._seen[drift.key] = drift if known is None else _added(known, drift)
            for receiver in {drift.receiver for drift in drifts}:
                for oldest in self._newest_first(receiver)[MOST:]:
                    del self._seen[oldest.key]

    def seen(self, *, receiver: str | None = None) -> list[Drift]:
        """What was seen by all receivers (or this one), newest first."""
        with self._store.lock:
            return self._newest_first(receiver)

    def _forget_example(self, _: str, message_id: str) -> None:
        if message_id in self._store.messages:
            return  # another account has a message with that id
        for key, one in self._seen.items():
            if one.example == message_id:
                self._seen[key] = replace(one, example=None)

    def _newest_first(self, receiver: str | None) -> list[Drift]:
        found = [one for one in self._seen.values() if receiver in (None, one.receiver)]
        return sorted(found, key=lambda one: one.last_seen, reverse=True)


def _added(known: Drift, more: Drift) -> Drift:
    return replace(more, count=known.count + more.count, first_seen=known.first_seen)
