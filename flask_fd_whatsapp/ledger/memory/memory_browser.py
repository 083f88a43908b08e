"""Messages page by page, and the details of one, in memory."""

from __future__ import annotations

from ...events import Status
from ..listing import UNHEARD, EventDetail, Handling, ListedMessage, MessageFilter, Place, told
from ..references import storable
from .memory_event import MemoryEvent
from .memory_message import MemoryMessage
from .memory_store import MemoryStore

_WITHOUT_OUTCOME = (None, Status.QUEUED, Status.SENT)


class MemoryBrowser:
    """Lists messages, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def page(
        self,
        wanted: MessageFilter,
        *,
        before: Place | None = None,
        after: Place | None = None,
        limit: int,
    ) -> list[ListedMessage]:
        """The messages that match *wanted*, latest sent first."""
        with self._store.lock:
            found = [
                ListedMessage(place=place, message=one.view())
                for one in self._store.all_messages()
                if _meets(one, wanted)
                and (place := _place(one))
                and (before is None or place < before)
                and (after is None or place > after)
            ]
        found.sort(key=lambda listed: listed.place, reverse=after is None)
        return found[:limit]

    def details(self, message_id: str, account_id: str) -> list[EventDetail]:
        """The events of a message in the order they were recorded."""
        with self._store.lock:
            one = self._store.messages.get(message_id, {}).get(account_id)
            events = sorted(one.events.values(), key=lambda event: event.id) if one else []
            return [
                EventDetail(
                    event_id=event.id,
                    body=event.body,
                    headers=event.headers,
                    handlings=_handlings(event),
                )
                for event in events
            ]


def _place(one: MemoryMessage) -> Place:
    # An expected message has no id of its own; its object's id is unique while it lives.
    key = min((event.id for event in one.events.values()), default=None)
    return Place(one.sent_on, id(one) if key is None else key)


def _handlings(event: MemoryEvent) -> list[Handling]:
    states = dict.fromkeys(event.succeeded, "done") | dict.fromkeys(event.gave_up, "gave up")
    settled = (Handling(handler=name, state=state) for name, state in sorted(states.items()))
    return told(settled, event.errors)


def _meets(one: MemoryMessage, wanted: MessageFilter) -> bool:
    has_failed, sent_on = Status.FAILED in one.events, one.sent_on
    code = one.error.code if one.error else None
    campaign = wanted.campaign if wanted.campaign is ... else storable(wanted.campaign)
    return (
        (wanted.search is None or _is_found(one, wanted.search))
        and (
            wanted.status is None
            or (not one.events if wanted.status == UNHEARD else one.status == wanted.status)
        )
        and (campaign is ... or one.campaign == campaign)
        and wanted.account_id in (None, one.account_id)
        and (
            wanted.receiver is None
            or any(event.receiver == wanted.receiver for event in one.events.values())
        )
        and wanted.failed in (None, has_failed)
        and (wanted.codes is None or (has_failed and code in wanted.codes))
        and (wanted.since is None or sent_on >= wanted.since)
        and (wanted.until is None or sent_on < wanted.until)
        and (
            wanted.stuck_since is None
            or (sent_on < wanted.stuck_since and one.status in _WITHOUT_OUTCOME)
        )
    )


def _is_found(one: MemoryMessage, search: str) -> bool:
    text = storable(search) or ""
    return one.message_id == text or (one.external_reference_id or "").startswith(text)
