"""The ledger in memory: bounded, one process's, for development and hosts that need no more."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from threading import Condition, RLock
from typing import Any, Final, Never

from ...events import is_ahead
from ...exceptions import FreshdeskWhatsAppError, LedgerUnavailable
from ..records import Entry, Policy, Recorded
from ..views import Rejection, State, TokenUse, Upgraded
from .memory_claim import MemoryClaim
from .memory_quarantine import MemoryQuarantine, MemoryRejections, Shelf
from .memory_queries import MemoryQueries
from .memory_reservations import MemoryReservations
from .memory_store import MemoryEvent, MemoryMessage

MAX_EVENTS: Final = 10_000


class MemoryLedger(MemoryQueries, MemoryQuarantine, MemoryRejections, MemoryReservations):
    """Remembers the newest events, in this process and as long as it lives.

    :param max_events: how many events are kept.  At the bound the oldest message that is
        finished goes; if none is, the ledger cannot be written.
    :param clock: a clock in seconds, for leases.
    :param config_prefix: what the keys of its receiver begin with, for its errors.
    """

    durable = False

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        clock: Callable[[], float] = time.monotonic,
        config_prefix: str = "FD_WHATSAPP",
    ) -> None:
        self.clock = clock
        self._url_key = f"{config_prefix}_LEDGER_URL"
        self.lock = RLock()
        self.changed = Condition(self.lock)
        self._max_events = max_events
        self._ids = count(1)
        self._messages: dict[str, dict[str, MemoryMessage]] = {}
        self._events: dict[int, tuple[MemoryMessage, MemoryEvent]] = {}
        self._finished: OrderedDict[tuple[str, str], MemoryMessage] = OrderedDict()
        self._shelf = Shelf()
        self._replays: dict[tuple[str, str], tuple[str, float]] = {}
        self._rejections: dict[tuple[str, str, bool], Rejection] = {}
        self._token_uses: dict[tuple[str, str, int], TokenUse] = {}

    @property
    def transaction(self) -> Never:
        """Not there: nothing of the host's can commit together with memory."""
        raise FreshdeskWhatsAppError(
            "current_ledger.transaction needs a ledger in a database: set "
            f'{self._url_key}, such as "sqlite:///events.db".'
        )

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message."""
        given = entry.event
        with self.lock:
            now = datetime.now(UTC)
            message = self._messages.get(given.message_id, {}).get(given.account_id)
            event = message.events.get(given.status) if message else None
            if message is None or event is None:
                message, event = self._insert(message, entry, now)
            message.learn(entry, now)
            return self._recorded(message, event, policy if claim else None, now)

    def claim(
        self, event_id: int, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder."""
        deadline = time.monotonic() + wait
        with self.changed:
            while True:
                message, event = self._events.get(event_id, (None, None))
                if message is None or event is None:
                    return None
                recorded = self._recorded(message, event, policy, datetime.now(UTC), settled)
                remaining = deadline - time.monotonic()
                waits = self.is_held(message) and (event.state is State.PENDING) != settled
                if recorded.claim or not waits or remaining <= 0:
                    return recorded
                message.is_awaited = True
                self.changed.wait(min(remaining, max(message.lease_until - self.clock(), 0.01)))

    def is_held(self, message: MemoryMessage) -> bool:
        """Whether somebody is handling *message*."""
        return message.token is not None and message.lease_until > self.clock()

    def let_go(self, message: MemoryMessage) -> None:
        """Nobody is handling *message* any more; wakes those who wait for it."""
        message.token = None
        if message.is_finished:
            self._finished[message.account_id, message.message_id] = message
        if message.is_awaited:
            self.changed.notify_all()

    def forget(self, message: MemoryMessage) -> None:
        """Drop *message* and its events; who held it until its lease was over has lost it."""
        message.token = None
        self._finished.pop((message.account_id, message.message_id), None)
        for event in message.events.values():
            del self._events[event.id]
        accounts = self._messages[message.message_id]
        del accounts[message.account_id]
        if not accounts:
            del self._messages[message.message_id]

    @property
    def compacts(self) -> str:
        """Nothing: Python gives memory back by itself."""
        return ""

    def compact(self) -> None:
        """Nothing is to be done."""

    def check(self) -> list[str]:
        """Nothing can be wrong with memory."""
        return []

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Memory needs nothing."""
        return None

    def _insert(
        self, message: MemoryMessage | None, entry: Entry, now: datetime
    ) -> tuple[MemoryMessage, MemoryEvent]:
        self._make_room(keep=message)
        account_id, message_id = entry.event.account_id, entry.event.message_id
        if message is None:
            message = MemoryMessage(
                account_id=account_id, message_id=message_id, first_seen=now, last_seen=now
            )
            self._messages.setdefault(message_id, {})[account_id] = message
        else:
            self._finished.pop((account_id, message_id), None)
        event = message.add(entry, next(self._ids), now)
        self._events[event.id] = message, event
        return message, event

    def _make_room(self, keep: MemoryMessage | None) -> None:
        while len(self._events) >= self._max_events:
            idle = (m for m in self._finished.values() if m is not keep and not self.is_held(m))
            oldest = next(idle, None)
            if oldest is None:
                raise LedgerUnavailable(
                    f"The memory ledger holds {len(self._events)} events, and no message that is "
                    "finished could make room. Mend the handlers that fail, or set "
                    f"{self._url_key} to a database."
                )
            self.forget(oldest)

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
        if policy and is_pending != settled and not self.is_held(message):
            if settled or event.attempts < policy.max_attempts:
                due_at = event.begin_try(now) if is_pending else None
                claim = MemoryClaim(self, message, event, policy, due_at)
                message.claimed, message.claimed_at = event, now
            else:
                event.end(State.DEAD)
                has_died = True
                self.let_go(message)
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
        )
