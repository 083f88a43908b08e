"""Records events in memory, and claims their messages."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from ...events import is_ahead
from ..records import Entry, Policy, Recorded
from ..retry_policy import may_be_tried
from ..views import State
from .memory_claim import MemoryClaim
from .memory_event import MemoryEvent
from .memory_message import MemoryMessage
from .memory_store import MemoryStore


class MemoryRecording:
    """Records events and claims their messages, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message."""
        given = entry.event
        with self._store.lock:
            now = datetime.now(UTC)
            message = self._store.messages.get(given.message_id, {}).get(given.account_id)
            event = message.events.get(given.status) if message else None
            if message is None or event is None:
                message, event = self._store.insert(message, entry, now)
            else:
                message.correct(entry)
            message.learn(entry, now)
            return self._recorded(message, event, policy if claim else None, now)

    def claim(
        self, event_id: int, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder."""
        deadline = time.monotonic() + wait
        with self._store.changed:
            while True:
                message, event = self._store.events.get(event_id, (None, None))
                if message is None or event is None:
                    return None
                recorded = self._recorded(message, event, policy, datetime.now(UTC), settled)
                remaining = deadline - time.monotonic()
                waits = self._store.is_held(message) and (event.state is State.PENDING) != settled
                if recorded.claim or not waits or remaining <= 0:
                    return recorded
                message.is_awaited = True
                self._store.changed.wait(
                    min(remaining, max(message.lease_until - self._store.clock(), 0.01))
                )

    def _recorded(
        self,
        message: MemoryMessage,
        event: MemoryEvent,
        policy: Policy | None,
        now: datetime,
        settled: bool = False,
    ) -> Recorded:
        claim: Any = None
        has_died = False
        is_pending = event.state is State.PENDING
        if policy and is_pending != settled and not self._store.is_held(message):
            if settled or may_be_tried(event.attempts, policy):
                due_at = event.begin_try(now) if is_pending else None
                claim = MemoryClaim(self._store, message, event, policy, due_at)
                message.claimed, message.claimed_at = event, now
            else:
                event.end(State.DEAD)
                has_died = True
                self._store.let_go(message)
        return Recorded(
            id=event.id,
            state=event.state,
            claim=claim,
            body=event.body,
            headers=event.headers,
            previous_status=event.previous_status,
            is_stale=event.is_stale,
            external_reference_id=message.external_reference_id,
            campaign=message.campaign,
            error=message.error,
            succeeded=event.succeeded if settled else event.succeeded | event.gave_up,
            postponed=event.postponed,
            superseded=is_ahead(message.status, of=event.status),
            attempt=event.attempts,
            has_died=has_died,
            source=event.source,
        )
