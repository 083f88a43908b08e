"""The quarantine of the ledger in memory: bodies that could not be used, once each."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from threading import Lock

from .views import IGNORED, Quarantined

logger = logging.getLogger(__name__)


class Shelves:
    """Two shelves of bodies, one for ignored event types and one for all else."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.ids = count(1)
        self.ignored: OrderedDict[tuple[str, bytes], Quarantined] = OrderedDict()
        self.others: OrderedDict[tuple[str, bytes], Quarantined] = OrderedDict()


class MemoryQuarantine:
    """The part of :class:`MemoryLedger` that keeps what could not be used."""

    _shelves: Shelves

    def quarantine(
        self,
        body: bytes,
        *,
        receiver: str,
        reason: str,
        detail: str,
        headers: Mapping[str, str],
        keep: int,
    ) -> None:
        """Keep *body*, or count it once more; the oldest of more than *keep* goes."""
        now = datetime.now(UTC)
        key = (receiver, body)
        with self._shelves.lock:
            ignored, others = self._shelves.ignored, self._shelves.others
            known = ignored.pop(key, None) or others.pop(key, None)
            shelf = ignored if reason == IGNORED else others
            shelf[key] = Quarantined(
                id=known.id if known else next(self._shelves.ids),
                receiver=receiver,
                body=body,
                reason=reason,
                detail=detail,
                headers=headers,
                first_seen=known.first_seen if known else now,
                last_seen=now,
                count=known.count + 1 if known else 1,
            )
            own = [other for other in shelf if other[0] == receiver]
            for oldest in own[: max(len(own) - keep, 0)]:
                del shelf[oldest]
                logger.warning(
                    "The quarantine is full (FD_WHATSAPP_QUARANTINE_MAX is %d): its oldest entry "
                    "is dropped.",
                    keep,
                )

    def discard(self, quarantined_id: int) -> bool:
        """Take an entry out of quarantine; whether there was one."""
        with self._shelves.lock:
            for shelf in (self._shelves.ignored, self._shelves.others):
                for key, entry in shelf.items():
                    if entry.id == quarantined_id:
                        del shelf[key]
                        return True
        return False

    def quarantined(self) -> list[Quarantined]:
        """What is in quarantine, oldest first."""
        with self._shelves.lock:
            both = [*self._shelves.ignored.values(), *self._shelves.others.values()]
        return sorted(both, key=lambda entry: entry.last_seen)
