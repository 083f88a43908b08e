"""The quarantine of the ledger in memory: bodies that could not be used, once each."""

from __future__ import annotations

import heapq
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from threading import Lock

from ..records import Unusable
from ..views import IGNORED, Quarantined, Rejection, TokenUse


class Shelf:
    """Entries by receiver and body, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.ids = count(1)
        self.entries: dict[tuple[str, bytes], Quarantined] = {}

    def of(self, receiver: str | None) -> list[Quarantined]:
        """The entries of a receiver, or all."""
        with self.lock:
            entries = list(self.entries.values())
        return [entry for entry in entries if receiver in (None, entry.receiver)]


class MemoryQuarantine:
    """The part of :class:`MemoryLedger` that keeps what could not be used."""

    _shelf: Shelf

    def quarantine(self, unusable: Unusable, *, keep: int, is_replay: bool = False) -> int:
        """Keep a body, or count it once more; gives how many others had to go."""
        key = (unusable.receiver, unusable.body)
        with self._shelf.lock:
            known = self._shelf.entries.get(key)
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
            self._shelf.entries[key] = entry
            return self._drop_oldest(keep, like=entry)

    def _new(self, unusable: Unusable) -> Quarantined:
        now = datetime.now(UTC)
        return Quarantined(
            id=next(self._shelf.ids),
            receiver=unusable.receiver,
            reason=unusable.reason,
            detail=unusable.detail,
            headers=unusable.headers,
            size=len(unusable.body),
            first_seen=now,
            last_seen=now,
            count=1,
        )

    def _drop_oldest(self, keep: int, like: Quarantined) -> int:
        """Keep so many of the receiver's ignored entries, or of its others."""
        alike = [
            (entry.last_seen, entry.id, key)
            for key, entry in self._shelf.entries.items()
            if entry.receiver == like.receiver
            and (entry.reason == IGNORED) == (like.reason == IGNORED)
        ]
        too_many = max(len(alike) - keep, 0)
        for _, _, key in heapq.nsmallest(too_many, alike):
            del self._shelf.entries[key]
        return too_many

    def discard(self, quarantined_id: int) -> bool:
        """Take an entry out of quarantine; whether there was one."""
        with self._shelf.lock:
            for key, entry in self._shelf.entries.items():
                if entry.id == quarantined_id:
                    del self._shelf.entries[key]
                    return True
        return False

    def quarantined(
        self,
        *,
        receiver: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """What is in quarantine, newest (by when it was first seen) first."""
        found = [
            entry
            for entry in self._shelf.of(receiver)
            if (before is None or entry.id < before) and (after is None or entry.id > after)
        ]
        return sorted(found, key=lambda entry: entry.id, reverse=after is None)[:limit]

    def quarantined_body(self, quarantined_id: int) -> bytes | None:
        """The body of an entry, ``None`` if it is not in quarantine (any more)."""
        with self._shelf.lock:
            for (_, body), entry in self._shelf.entries.items():
                if entry.id == quarantined_id:
                    return body
        return None


class MemoryRejections:
    """The part of :class:`MemoryLedger` that knows what was rejected, and let in, last."""

    _rejections: dict[tuple[str, str, bool], Rejection]
    _token_uses: dict[tuple[str, str, int], TokenUse]

    def note_rejection(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last of its receiver, reason and ``has_no_header``."""
        key = (rejection.receiver, rejection.reason, rejection.has_no_header)
        self._rejections[key] = rejection

    def rejections(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection of each receiver (or of this one) and reason, newest first."""
        noted = list(self._rejections.values())
        found = [one for one in noted if receiver in (None, one.receiver)]
        return sorted(found, key=lambda one: one.last_seen, reverse=True)

    def acknowledge_rejections(self, *, receiver: str | None = None) -> int:
        """Take note of all so far; gives how many nobody had taken note of."""
        new = [one for one in self.rejections(receiver=receiver) if not one.is_acknowledged]
        for one in new:
            self.note_rejection(replace(one, is_acknowledged=True))
        return len(new)

    def note_token_use(self, use: TokenUse) -> None:
        """Keep *use* as the last one of its receiver, header and position."""
        self._token_uses[use.receiver, use.header, use.position] = use

    def token_uses(self, *, receiver: str | None = None) -> list[TokenUse]:
        """The last uses of every receiver (or of this one), by header and position."""
        noted = sorted(self._token_uses.items())
        return [use for (of_receiver, _, _), use in noted if receiver in (None, of_receiver)]
