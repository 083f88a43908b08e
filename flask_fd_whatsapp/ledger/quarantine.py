"""The quarantine of the ledger in memory: bodies that could not be used, once each."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from threading import Lock
from typing import Final

from .base import Quarantined

logger = logging.getLogger(__name__)

IGNORED: Final = "ignored"
"""The reason under which events of other types are kept, with a bound of their own."""


class MemoryQuarantine:
    """Two bounded shelves, one for ignored event types and one for all else."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ids = count(1)
        self._shelves: tuple[
            OrderedDict[tuple[str, bytes], Quarantined], OrderedDict[tuple[str, bytes], Quarantined]
        ] = (OrderedDict(), OrderedDict())

    def add(
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
        shelf = self._shelves[reason == IGNORED]
        key = (receiver, body)
        with self._lock:
            known = shelf.get(key)
            shelf[key] = Quarantined(
                id=known.id if known else next(self._ids),
                receiver=receiver,
                body=body,
                reason=reason,
                detail=detail,
                headers=headers,
                first_seen=known.first_seen if known else now,
                last_seen=now,
                count=known.count + 1 if known else 1,
            )
            shelf.move_to_end(key)
            while len(shelf) > keep:
                _, dropped = shelf.popitem(last=False)
                logger.warning(
                    "The quarantine is full (FD_WHATSAPP_QUARANTINE_MAX is %d): its oldest entry, "
                    "%s of %s, is dropped.",
                    keep,
                    dropped.reason,
                    dropped.last_seen.isoformat(timespec="seconds"),
                )

    def entries(self) -> list[Quarantined]:
        """All that is kept, oldest first."""
        with self._lock:
            both = [entry for shelf in self._shelves for entry in shelf.values()]
        return sorted(both, key=lambda entry: entry.last_seen)
