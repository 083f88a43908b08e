"""The host's queries, in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final, Unpack

from ...events import Status
from ...exceptions import AmbiguousMessage
from ..event_filter import EventFilter, given, require_condition
from ..references import storable
from ..views import Event, Message
from .memory_message import MemoryMessage
from .memory_store import MemoryStore


class MemoryQueries:
    """Answers hosts' queries about their messages, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown."""
        with self._store.lock:
            accounts = self._store.messages.get(message_id, {})
            if account_id is None and len(accounts) > 1:
                raise AmbiguousMessage.of(message_id, next(iter(accounts)))
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
        """The messages that meet every condition given, in the order they were first seen."""
        require_condition(external_reference_id, message_ids)
        with self._store.lock:
            found: Iterable[MemoryMessage] = self._store.all_messages()
            if message_ids is not None:
                accounts = (self._store.messages.get(one, {}) for one in set(message_ids))
                found = chain.from_iterable(each.values() for each in accounts)
            if external_reference_id is not None:
                reference = storable(external_reference_id)
                found = (one for one in found if one.external_reference_id == reference)
            return [message.view() for message in sorted(found, key=_number)]

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Events that meet every condition given, newest first."""
        conditions = given(wanted)
        for name in {"campaign", "external_reference_id"} & conditions.keys():
            conditions[name] = storable(conditions[name])
        with self._store.lock:
            found = [
                view
                for message, event in self._store.events.values()
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
        """How many messages have each status."""
        counts: dict[str, int] = dict.fromkeys(Status, 0)
        campaign = storable(campaign)
        with self._store.lock:
            for message in self._store.all_messages():
                if (
                    message.status is not None
                    and (since is None or message.first_seen >= since)
                    and (until is None or message.first_seen < until)
                    and (campaign is None or message.campaign == campaign)
                ):
                    counts[message.status] += 1
        return counts


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
    "source",
)

_COMPARED: Final[Mapping[str, Callable[[Event, Any], bool]]] = {
    "since": lambda event, moment: event.received_at >= moment,
    "until": lambda event, moment: event.received_at < moment,
    "before": lambda event, event_id: event.id < event_id,
    "after": lambda event, event_id: event.id > event_id,
}


def _number(message: MemoryMessage) -> int:
    return message.number
