"""The campaigns of recorded messages, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..references import storable
from ..report_parts import Recomputed
from .memory_store import MemoryStore


class MemoryCampaigns:
    """Applies the campaign rule to recorded messages, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def unmatched(self) -> int:
        """How many messages have a reference and no campaign."""
        with self._store.lock:
            return sum(
                message.campaign is None and message.external_reference_id is not None
                for message in self._store.all_messages()
            )

    def recompute(
        self, campaign_of: Callable[[str], str | None], *, receiver: str, after: Any, limit: int
    ) -> Recomputed:
        """Apply a rule to all messages of a receiver: memory holds few."""
        seen = changed = 0
        with self._store.lock:
            for message in self._store.all_messages():
                seen += 1
                reference = message.external_reference_id
                if reference is None or message.facts.receiver not in (None, receiver):
                    continue
                campaign = storable(campaign_of(reference))
                changed += campaign != message.campaign
                message.campaign = campaign
        return Recomputed(seen=seen, changed=changed, last=None)
