"""What the parts of the in-memory ledger share: its messages and events, and their lock."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from threading import Condition, RLock
from typing import Final

from ...exceptions import LedgerUnavailable
from ..records import Entry
from ..send_records import Expected
from .memory_event import MemoryEvent
from .memory_folds import MemoryFolds
from .memory_message import MemoryMessage

MAX_EVENTS: Final = 10_000


class MemoryStore:
    """Messages by id and account, and events by id; bounded.

    Callers hold the lock to read or change them.

    :param max_events: how many events are kept.  At the bound the oldest finished message is
        evicted; if there is none, the ledger cannot be written.
    :param clock: a clock in seconds, for leases.
    :param url_key: the key of the setting that would name a database, for error messages.
    """

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        clock: Callable[[], float] = time.monotonic,
        url_key: str = "FD_WHATSAPP_LEDGER_URL",
    ) -> None:
        self.clock = clock
        self.lock = RLock()
        self.changed = Condition(self.lock)
        self.messages: dict[str, dict[str, MemoryMessage]] = {}
        self.events: dict[int, tuple[MemoryMessage, MemoryEvent]] = {}
        self.folds = MemoryFolds()
        self.finished: OrderedDict[MemoryMessage, None] = OrderedDict()
        self._unheard: OrderedDict[MemoryMessage, None] = OrderedDict()
        self._ids = count(1)
        self._numbers = count(1)
        self.max_events = max_events
        self._tell_forgotten: list[Callable[[str, str], None]] = []
        self._url_key = url_key

    def all_messages(self) -> Iterator[MemoryMessage]:
        """All messages."""
        for accounts in self.messages.values():
            yield from accounts.values()

    def insert(
        self, message: MemoryMessage | None, entry: Entry, now: datetime
    ) -> tuple[MemoryMessage, MemoryEvent]:
        """Add an event, and its message if new."""
        self._make_room(keep=message)
        if message is None:
            message = self._add(entry.event.account_id, entry.event.message_id, now)
        else:
            self.finished.pop(message, None)
            self._unheard.pop(message, None)
        event = message.add(entry, next(self._ids), now)
        self.events[event.id] = message, event
        return message, event

    def expect(self, expected: Expected, now: datetime) -> None:
        """Add a message that was sent, or fill in what is missing about it."""
        account_id, message_id = expected.account_id, expected.message_id
        message = self.messages.get(message_id, {}).get(account_id)
        if message is None:
            while len(self._unheard) >= self.max_events:
                self.forget(next(iter(self._unheard)))
            message = self._add(account_id, message_id, now)
            self._unheard[message] = None
        message.expect(expected, now)

    def _add(self, account_id: str, message_id: str, now: datetime) -> MemoryMessage:
        message = MemoryMessage(
            account_id=account_id,
            message_id=message_id,
            first_seen=now,
            last_seen=now,
            number=next(self._numbers),
            is_returned=self.folds.has(account_id, message_id),
        )
        self.messages.setdefault(message_id, {})[account_id] = message
        return message

    def _make_room(self, keep: MemoryMessage | None) -> None:
        while len(self.events) >= self.max_events:
            idle = (m for m in self.finished if m is not keep and not self.is_held(m))
            oldest = next(idle, None)
            if oldest is None:
                raise LedgerUnavailable(
                    f"The in-memory ledger holds {len(self.events)} events, and has no finished "
                    f"message to evict. Fix the failing handlers, or set {self._url_key} to a "
                    "database."
                )
            self.forget(oldest)

    def is_held(self, message: MemoryMessage) -> bool:
        """Whether *message* is being handled."""
        return message.token is not None and message.lease_until > self.clock()

    def let_go(self, message: MemoryMessage) -> None:
        """Release *message*, and wake threads waiting for it."""
        message.token = None
        if message.is_finished:
            self.finished[message] = None
        if message.is_awaited:
            self.changed.notify_all()

    def forget(self, message: MemoryMessage) -> None:
        """Drop *message* and its events; a holder whose lease has expired loses it."""
        message.token = None
        self.folds.add(message.facts)
        self.finished.pop(message, None)
        self._unheard.pop(message, None)
        for event in message.events.values():
            del self.events[event.id]
        accounts = self.messages[message.message_id]
        del accounts[message.account_id]
        if not accounts:
            del self.messages[message.message_id]
        for tell in self._tell_forgotten:
            tell(message.account_id, message.message_id)

    def on_forgetting(self, tell: Callable[[str, str], None]) -> None:
        """Call *tell* with the account and id of each message that is dropped."""
        self._tell_forgotten.append(tell)
