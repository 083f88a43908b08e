"""The overview for monitoring, from memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ...events import WEBHOOK
from ..records import OneAccount
from ..views import IGNORED, Backlog, BeingHandled, State
from .memory_quarantine import MemoryQuarantine
from .memory_store import MemoryStore


class MemoryOverview:
    """Provides the overview for monitoring, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore, quarantine: MemoryQuarantine) -> None:
        self._store = store
        self._quarantine = quarantine

    def being_handled(
        self, *, receiver: str | None = None, account: OneAccount | None = None
    ) -> list[BeingHandled]:
        """The pending events that are being handled right now, longest first."""
        with self._store.lock:
            found = [
                BeingHandled(
                    receiver=event.receiver,
                    event_id=event.id,
                    account_id=message.account_id,
                    message_id=message.message_id,
                    status=event.status,
                    since=message.claimed_at,
                )
                for message, event in self._store.events.values()
                if event is message.claimed
                and message.claimed_at is not None
                and event.state is State.PENDING
                and self._store.is_held(message)
                and receiver in (None, event.receiver)
                and (account is None or message.account_id in account.ids)
            ]
        return sorted(found, key=lambda one: one.since)

    def backlog(self, *, receiver: str | None = None, account: OneAccount | None = None) -> Backlog:
        """The backlog of the ledger, or of this receiver."""
        with self._store.lock:
            recorded = [
                (event, self._store.is_held(message))
                for message, event in self._store.events.values()
                if receiver in (None, event.receiver)
                and (account is None or message.account_id in account.ids)
            ]
        events = [event for event, _ in recorded]
        waiting = [
            event for event, is_held in recorded if event.state is State.PENDING and not is_held
        ]
        pending = [event for event in events if event.state is State.PENDING]
        postponed = [event for event in pending if event.postponed]
        most_postponed = max(postponed, key=lambda event: event.postponed, default=None)
        entries = self._quarantine.of(receiver if account is None else account.name)
        ignored = sum(entry.reason == IGNORED for entry in entries)
        return Backlog(
            last_received=max((event.received_at for event in events), default=None),
            pending=len(pending),
            oldest_pending=min((event.received_at for event in pending), default=None),
            next_due=min((event.due_at for event in pending if event.due_at), default=None),
            oldest_due=min((event.due_at for event in waiting if event.due_at), default=None),
            failing_since=min(
                (
                    event.revived_at or event.received_at
                    for event in waiting
                    if event.attempts and event.last_error
                ),
                default=None,
            ),
            postponed=len(postponed),
            most_postponed=most_postponed and most_postponed.id,
            dead=sum(event.state is State.DEAD for event in events),
            unacknowledged=sum(
                event.state is State.DEAD and not event.is_acknowledged for event in events
            ),
            quarantined=len(entries) - ignored,
            ignored=ignored,
        )

    def accepted_since(
        self, moment: datetime, *, receiver: str, account_ids: Collection[str]
    ) -> bool:
        """Whether a webhook for one of these accounts reached *receiver* after *moment*."""
        with self._store.lock:
            return any(
                event.received_at > moment
                and event.receiver == receiver
                and event.source == WEBHOOK
                for message, event in self._store.events.values()
                if message.account_id in account_ids
            )

    def receivers(self) -> list[str]:
        """The names of the receivers with events, sorted."""
        with self._store.lock:
            return sorted(
                {
                    event.receiver
                    for message in self._store.all_messages()
                    for event in message.events.values()
                }
            )
