"""The quarantine of the in-memory ledger: unusable bodies, once each."""

from __future__ import annotations

import heapq
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from threading import Lock

from ..records import Unusable, is_of
from ..views import IGNORED, Quarantined


class MemoryQuarantine:
    """Keeps unusable bodies, for :class:`MemoryLedger`.

    By receiver and body, in the order in which they were first seen.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._ids = count(1)
        self._entries: dict[tuple[str, bytes], Quarantined] = {}

    def of(self, receiver: str | None) -> list[Quarantined]:
        """The entries of a receiver, or all."""
        with self._lock:
            entries = list(self._entries.values())
        return [entry for entry in entries if receiver is None or is_of(entry.receiver, receiver)]

    def keep(self, unusable: Unusable, *, at_most: int, is_replay: bool = False) -> int:
        """Keep a body, or count it again; return how many others were evicted."""
        key = (unusable.receiver, unusable.body)
        with self._lock:
            known = self._entries.get(key)
            if known is None:
                entry = self._new(unusable)
            else:
                entry = replace(
                    known,
                    reason=unusable.reason,
                    detail=unusable.detail,
                    headers=unusable.headers,
                    last_seen=known.last_seen if is_replay else datetime.now(UTC),
                    count=known.count + (not is_replay),
                )
            self._entries[key] = entry
            return self._drop_oldest(at_most, like=entry)

    def _new(self, unusable: Unusable) -> Quarantined:
        now = datetime.now(UTC)
        return Quarantined(
            id=next(self._ids),
            receiver=unusable.receiver,
            reason=unusable.reason,
            detail=unusable.detail,
            headers=unusable.headers,
            size=len(unusable.body),
            first_seen=now,
            last_seen=now,
            count=1,
        )

    def _drop_oldest(self, at_most: int, like: Quarantined) -> int:
        """Keep at most *at_most* of the receiver's ignored entries, or of its others."""
        alike = [
            (entry.last_seen, entry.id, key)
            for key, entry in self._entries.items()
            if entry.receiver == like.receiver
            and (entry.reason == IGNORED) == (like.reason == IGNORED)
        ]
        too_many = max(len(alike) - at_most, 0)
        for _, _, key in heapq.nsmallest(too_many, alike):
            del self._entries[key]
        return too_many

    def discard(self, quarantined_id: int) -> bool:
        """Remove an entry from quarantine; return whether there was one."""
        with self._lock:
            for key, entry in self._entries.items():
                if entry.id == quarantined_id:
                    del self._entries[key]
                    return True
        return False

    def entries(
        self,
        *,
        receiver: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """The quarantined entries, newest (by when they were first seen) first."""
        found = [
            entry
            for entry in self.of(receiver)
            if (before is None or entry.id < before) and (after is None or entry.id > after)
        ]
        return sorted(found, key=lambda entry: entry.id, reverse=after is None)[:limit]

    def body(self, quarantined_id: int) -> bytes | None:
        """The body of an entry, ``None`` if it is not, or no longer, in quarantine."""
        with self._lock:
            for (_, body), entry in self._entries.items():
                if entry.id == quarantined_id:
                    return body
        return None
