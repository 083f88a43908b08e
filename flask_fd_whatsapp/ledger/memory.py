"""The ledger in memory: bounded, one process's, for development and hosts that need no more."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Condition
from typing import Any, Final, Never

from ..events import DeliveryError, EventKey, Status, is_ahead
from ..exceptions import AmbiguousMessage, ClaimLost, FreshdeskWhatsAppError, LedgerUnavailable
from .base import Entry, Message, Policy, Quarantined, Recorded, State, Tried
from .quarantine import MemoryQuarantine

MAX_EVENTS: Final = 10_000


@dataclass(slots=True, kw_only=True)
class _Event:
    key: EventKey
    body: str
    headers: Mapping[str, str]
    previous_status: Status | None
    is_stale: bool
    state: State = State.PENDING
    attempts: int = 0
    succeeded: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class _Message:
    account_id: str
    message_id: str
    status: Status | None = None
    external_reference_id: str | None = None
    campaign: str | None = None
    times: dict[str, datetime] = field(default_factory=dict)
    error: DeliveryError | None = None
    events: dict[str, _Event] = field(default_factory=dict)
    token: object | None = None
    lease_until: float = 0

    @property
    def is_finished(self) -> bool:
        return all(event.state is not State.PENDING for event in self.events.values())

    def add(self, entry: Entry) -> _Event:
        event, before = entry.event, self.status
        moves = is_ahead(event.status, before)
        if moves:
            self.status = Status(event.status)
        self.times[event.status] = event.timestamp
        if event.error is not None and event.status == Status.FAILED:
            self.error = event.error
        added = _Event(
            key=event.key,
            body=entry.body,
            headers=entry.headers,
            previous_status=before,
            is_stale=not moves,
        )
        self.events[event.status] = added
        return added

    def learn(self, entry: Entry) -> None:
        """Take the reference and campaign from whichever event carries them."""
        if self.external_reference_id is None:
            self.external_reference_id = entry.event.external_reference_id
        if self.campaign is None:
            self.campaign = entry.campaign

    def view(self) -> Message:
        return Message(
            account_id=self.account_id,
            message_id=self.message_id,
            status=self.status,
            external_reference_id=self.external_reference_id,
            campaign=self.campaign,
            times=dict(self.times),
            error=self.error,
        )


class MemoryLedger:
    """Remembers the newest events, in this process and as long as it lives.

    :param max_events: how many events are kept.  At the bound the oldest message that is
        finished goes; if none is, the ledger cannot be written.
    :param clock: a clock in seconds, for leases.
    """

    durable = False

    def __init__(
        self, *, max_events: int = MAX_EVENTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_events = max_events
        self._clock = clock
        self._changed = Condition()
        self._messages: dict[str, dict[str, _Message]] = {}
        self._finished: OrderedDict[tuple[str, str], _Message] = OrderedDict()
        self._count = 0
        self._quarantine = MemoryQuarantine()

    @property
    def transaction(self) -> Never:
        """Not there: nothing of the host's can commit together with memory."""
        raise FreshdeskWhatsAppError(
            "current_ledger.transaction needs a ledger in a database: set "
            'FD_WHATSAPP_LEDGER_URL, such as "sqlite:///events.db".'
        )

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        key = entry.event.key
        with self._changed:
            message = self._messages.get(key.message_id, {}).get(key.account_id)
            event = message.events.get(key.status) if message else None
            if message is None or event is None:
                message, event = self._insert(message, entry)
            message.learn(entry)
            return self._recorded(message, event, policy if claim else None)

    def claim(self, event_id: EventKey, policy: Policy, *, wait: float = 0) -> Recorded | None:
        deadline = time.monotonic() + wait
        with self._changed:
            while True:
                message = self._messages.get(event_id.message_id, {}).get(event_id.account_id)
                event = message.events.get(event_id.status) if message else None
                if message is None or event is None:
                    return None
                recorded = self._recorded(message, event, policy)
                remaining = deadline - time.monotonic()
                if recorded.claim or recorded.state is not State.PENDING or remaining <= 0:
                    return recorded
                self._changed.wait(min(remaining, max(message.lease_until - self._clock(), 0.01)))

    def _insert(self, message: _Message | None, entry: Entry) -> tuple[_Message, _Event]:
        self._make_room(keep=message)
        key = entry.event.key
        if message is None:
            message = _Message(account_id=key.account_id, message_id=key.message_id)
            self._messages.setdefault(key.message_id, {})[key.account_id] = message
        self._finished.pop((key.account_id, key.message_id), None)
        self._count += 1
        return message, message.add(entry)

    def _make_room(self, keep: _Message | None) -> None:
        while self._count >= self._max_events:
            oldest = next((key for key, m in self._finished.items() if m is not keep), None)
            if oldest is None:
                raise LedgerUnavailable(
                    f"The memory ledger holds {self._count} events, none of which is finished. "
                    "Mend the handlers that fail, or set FD_WHATSAPP_LEDGER_URL to a database."
                )
            message = self._finished.pop(oldest)
            self._count -= len(message.events)
            accounts = self._messages[message.message_id]
            del accounts[message.account_id]
            if not accounts:
                del self._messages[message.message_id]

    def _recorded(self, message: _Message, event: _Event, policy: Policy | None) -> Recorded:
        claim, has_died = None, False
        if policy and event.state is State.PENDING and not self._is_held(message):
            if event.attempts >= policy.max_attempts:
                event.state, has_died = State.DEAD, True
                self._let_go(message)
            else:
                claim = _MemoryClaim(self, message, event, policy)
        return Recorded(
            id=event.key,
            state=event.state,
            claim=claim,
            body=event.body,
            headers=event.headers,
            previous_status=event.previous_status,
            is_stale=event.is_stale,
            external_reference_id=message.external_reference_id,
            campaign=message.campaign,
            succeeded=frozenset(event.succeeded),
            superseded=is_ahead(message.status, of=event.key.status),
            has_died=has_died,
        )

    def _is_held(self, message: _Message) -> bool:
        return message.token is not None and message.lease_until > self._clock()

    def _let_go(self, message: _Message) -> None:
        message.token = None
        if message.is_finished:
            self._finished[message.account_id, message.message_id] = message
        self._changed.notify_all()

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
        self._quarantine.add(
            body, receiver=receiver, reason=reason, detail=detail, headers=headers, keep=keep
        )

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        with self._changed:
            accounts = self._messages.get(message_id, {})
            if account_id is None and len(accounts) > 1:
                raise AmbiguousMessage(
                    f"Message {message_id} is known of several accounts: give account_id, one "
                    f"of {', '.join(sorted(accounts))}."
                )
            found = accounts.get(account_id) if account_id else next(iter(accounts.values()), None)
            return found.view() if found else None

    def messages(self, *, external_reference_id: str) -> list[Message]:
        with self._changed:
            return [
                message.view()
                for message in self._all()
                if message.external_reference_id == external_reference_id
            ]

    def _all(self) -> Iterator[_Message]:
        for accounts in self._messages.values():
            yield from accounts.values()

    def quarantined(self) -> list[Quarantined]:
        return self._quarantine.entries()


class _MemoryClaim:
    def __init__(
        self, ledger: MemoryLedger, message: _Message, event: _Event, policy: Policy
    ) -> None:
        self._ledger = ledger
        self._message = message
        self._event = event
        self._policy = policy
        self._token = message.token = object()
        event.attempts += 1
        self._renew()

    @property
    def transaction(self) -> Any:
        return self._ledger.transaction

    def succeeded(self, handler: str) -> None:
        with self._ledger._changed:
            self._check()
            self._event.succeeded.add(handler)
            self._renew()

    def undo(self) -> None:
        """Nothing to roll back: there is no transaction."""

    def finish(self, tried: Tried) -> State:
        event = self._event
        with self._ledger._changed:
            self._check()
            event.succeeded.update(tried.superseded)
            if tried.succeeded:
                event.succeeded.add(tried.succeeded)
            if tried.failed:
                if event.attempts >= self._policy.max_attempts:
                    event.state = State.DEAD
            elif tried.retry_after is not None:
                event.attempts -= 1
            else:
                event.state = State.DONE
            self._ledger._let_go(self._message)
            return event.state

    def _check(self) -> None:
        if self._message.token is not self._token:
            raise ClaimLost(
                f"Message {self._message.message_id} was taken by another, since this try took "
                f"longer than its lease of {self._policy.lease_seconds:g} seconds."
            )

    def _renew(self) -> None:
        self._message.lease_until = self._ledger._clock() + self._policy.lease_seconds
