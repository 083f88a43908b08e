"""What can be asked of the ledger in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from threading import Condition
from typing import Any, Final, Unpack

from ...events import Status
from ...exceptions import AmbiguousMessage
from ..references import storable
from ..views import (
    IGNORED,
    Backlog,
    BeingHandled,
    Event,
    EventFilter,
    Message,
    State,
    given,
    require_condition,
)
from .memory_quarantine import Shelf
from .memory_store import MemoryEvent, MemoryMessage


class MemoryQueries:
    """The part of :class:`MemoryLedger` that answers questions."""

    changed: Condition
    clock: Callable[[], float]
    _messages: dict[str, dict[str, MemoryMessage]]
    _events: dict[int, tuple[MemoryMessage, MemoryEvent]]
    _finished: OrderedDict[tuple[str, str], MemoryMessage]
    _shelf: Shelf

    def is_held(self, message: MemoryMessage) -> bool:
        """Whether somebody is handling *message*."""
        raise NotImplementedError

    def forget(self, message: MemoryMessage) -> None:
        """Drop *message* and its events."""
        raise NotImplementedError

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown."""
        with self.changed:
            accounts = self._messages.get(message_id, {})
            if account_id is None and len(accounts) > 1:
                raise AmbiguousMessage(
                    f"Message {message_id} is known of several accounts: give account_id, such as "
                    f"{next(iter(accounts))}."
                )
            if account_id is None:
                found = next(iter(accounts.values()), None)
            else:
                found = accounts.get(account_id)
            return found.view() if found else None

    def messages(
        self,
        *,
        external_reference_id: str | None = None,
        message_ids: Collection[str] | None = None,
    ) -> list[Message]:
        """The messages that meet every condition given, in the order they were first heard of."""
        require_condition(external_reference_id, message_ids)
        with self.changed:
            found: Iterable[MemoryMessage] = self._all()
            if message_ids is not None:
                accounts = (self._messages.get(one, {}) for one in set(message_ids))
                found = chain.from_iterable(each.values() for each in accounts)
            if external_reference_id is not None:
                reference = storable(external_reference_id)
                found = (one for one in found if one.external_reference_id == reference)
            return [message.view() for message in sorted(found, key=_first_event_id)]

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Events that meet every condition given, newest first."""
        conditions = given(wanted)
        for name in {"campaign", "external_reference_id"} & conditions.keys():
            conditions[name] = storable(conditions[name])
        with self.changed:
            found = [
                view
                for message, event in self._events.values()
                if conditions.get("unhandled_by") not in event.succeeded
                and _meets(view := message.view_of(event), conditions)
            ]
        found.sort(key=lambda view: view.id, reverse="after" not in conditions)
        return found[: conditions["limit"]]

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """How many messages are at each status."""
        counts: dict[str, int] = dict.fromkeys(Status, 0)
        campaign = storable(campaign)
        with self.changed:
            for message in self._all():
                if (
                    message.status is not None
                    and (since is None or message.first_seen >= since)
                    and (until is None or message.first_seen < until)
                    and (campaign is None or message.campaign == campaign)
                ):
                    counts[message.status] += 1
        return counts

    def revive(self, event_id: int) -> bool:
        """Make a dead event pending and due, its attempts forgotten; whether it was dead."""
        with self.changed:
            message, event = self._events.get(event_id, (None, None))
            if message is None or event is None or event.state is not State.DEAD:
                return False
            self._finished.pop((message.account_id, message.message_id), None)
            event.revive()
            return True

    def acknowledge(self, *, receiver: str | None = None, event_id: int | None = None) -> int:
        """Take note of the events that are dead, so that nobody is told of them again."""
        with self.changed:
            new = [
                event
                for _, event in self._events.values()
                if event.state is State.DEAD
                and not event.is_acknowledged
                and receiver in (None, event.receiver)
                and event_id in (None, event.id)
            ]
            for event in new:
                event.is_acknowledged = True
            return len(new)

    def being_handled(self, *, receiver: str | None = None) -> list[BeingHandled]:
        """The pending events that are being handled right now, longest first."""
        with self.changed:
            found = [
                BeingHandled(
                    receiver=event.receiver,
                    event_id=event.id,
                    account_id=message.account_id,
                    message_id=message.message_id,
                    status=event.status,
                    since=message.claimed_at,
                )
                for message, event in self._events.values()
                if event is message.claimed
                and message.claimed_at is not None
                and event.state is State.PENDING
                and self.is_held(message)
                and receiver in (None, event.receiver)
            ]
        return sorted(found, key=lambda one: one.since)

    def backlog(self, *, receiver: str | None = None) -> Backlog:
        """How the ledger stands, or what is in it of the receiver of this name."""
        with self.changed:
            recorded = [
                (event, self.is_held(message))
                for message, event in self._events.values()
                if receiver in (None, event.receiver)
            ]
        events = [event for event, _ in recorded]
        waiting = [
            event for event, is_held in recorded if event.state is State.PENDING and not is_held
        ]
        pending = [event for event in events if event.state is State.PENDING]
        postponed = [event for event in pending if event.postponed]
        most_postponed = max(postponed, key=lambda event: event.postponed, default=None)
        entries = self._shelf.of(receiver)
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

    def prune(
        self, *, before: datetime, limit: int, receiver: str | Collection[str] | None = None
    ) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param receiver: only messages all of whose events came to the receivers of these names.
        """
        names = [receiver] if isinstance(receiver, str) else receiver
        with self.changed:
            old = (
                message
                for message in self._all()
                if message.last_seen < before
                and message.is_finished
                and not self.is_held(message)
                and (names is None or message.came_only_to(names))
            )
            oldest = list(islice(old, limit))
            for message in oldest:
                self.forget(message)
        return len(oldest)

    def receivers(self) -> list[str]:
        """The names of the receivers that events came to, in order."""
        with self.changed:
            return sorted(
                {event.receiver for message in self._all() for event in message.events.values()}
            )

    def _all(self) -> Iterator[MemoryMessage]:
        for accounts in self._messages.values():
            yield from accounts.values()


def _meets(event: Event, conditions: Mapping[str, Any]) -> bool:
    return all(
        getattr(event, name) == conditions[name] for name in _EQUAL if name in conditions
    ) and all(
        is_met(event, conditions[name]) for name, is_met in _COMPARED.items() if name in conditions
    )


_EQUAL: Final = (
    "status",
    "account_id",
    "campaign",
    "external_reference_id",
    "message_id",
    "state",
    "receiver",
)

_COMPARED: Final[Mapping[str, Callable[[Event, Any], bool]]] = {
    "since": lambda event, moment: event.received_at >= moment,
    "until": lambda event, moment: event.received_at < moment,
    "before": lambda event, event_id: event.id < event_id,
    "after": lambda event, event_id: event.id > event_id,
}


def _first_event_id(message: MemoryMessage) -> int:
    return min(event.id for event in message.events.values())
