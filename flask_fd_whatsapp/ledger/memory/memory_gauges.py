"""The gauges that monitors record, from an in-memory ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from ..gauges import NO_STATUS, UNHEARD_AFTER, WINDOW, Gauges, LastRun
from ..send_records import SendFilter, SendState
from ..views import State
from .memory_asking import MemoryAsking
from .memory_drift import MemoryDriftRecord
from .memory_quarantine import MemoryQuarantine
from .memory_rejection_notes import MemoryLastRejections
from .memory_send_record import MemorySendRecord
from .memory_store import MemoryStore


class MemoryGauges:
    """Reads gauges, for :class:`MemoryLedger`."""

    def __init__(
        self,
        store: MemoryStore,
        quarantine: MemoryQuarantine,
        rejections: MemoryLastRejections,
        send_record: MemorySendRecord,
        asking: MemoryAsking,
        drift: MemoryDriftRecord,
    ) -> None:
        self._store = store
        self._quarantine = quarantine
        self._rejections = rejections
        self._send_record = send_record
        self._asking = asking
        self._drift = drift

    def read(self, receivers: Collection[str]) -> Mapping[str, Gauges]:
        """The gauges of the named receivers."""
        with self._store.lock:
            return {name: self._of(name) for name in receivers}

    def _of(self, name: str) -> Gauges:
        now = datetime.now(UTC)
        since = now - WINDOW
        events = [event for _, event in self._store.events.values() if event.receiver == name]
        pending = [event.received_at for event in events if event.state is State.PENDING]
        rejected: dict[str, datetime] = {}
        rejections: Counter[str] = Counter()
        for one in self._rejections.last(receiver=name):
            rejections[one.reason] += one.count or 1
            rejected[one.reason] = max(one.last_seen, rejected.get(one.reason, one.last_seen))
        messages = Counter(
            str(message.status or NO_STATUS)
            for message in self._store.all_messages()
            if message.first_seen >= since and message.facts.receiver == name
        )
        unheard = self._send_record.listed(SendFilter(receiver=name, is_unheard=True, limit=10**9))
        unknown = SendFilter(receiver=name, state=SendState.UNKNOWN, limit=10**9)
        runs = self._asking.runs(receiver=name)
        return Gauges(
            pending=len(pending),
            oldest_pending=min(pending, default=None),
            dead=sum(event.state is State.DEAD for event in events),
            quarantined=len(self._quarantine.of(name)),
            last_accepted=max((event.received_at for event in events), default=None),
            rejected=rejected,
            rejections=rejections,
            runs=[LastRun(run.receiver, run.good_at, run.is_good) for run in runs],
            drift=sum(one.last_seen >= since for one in self._drift.seen(receiver=name)),
            messages=messages,
            unheard=sum(since <= one.created_at <= now - UNHEARD_AFTER for one in unheard),
            unknown=len(self._send_record.listed(unknown)),
        )
