"""Lists of messages, page by page, and the details of one message."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from .records import Tried
from .views import Message

UNHEARD: Final = "UNHEARD"
"""Used instead of a status for messages without any event, as counted by the figure of that
name."""


class Place(NamedTuple):
    """A message's position in a list: when it was sent, and the ledger's id."""

    sent_on: datetime
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMessage:
    """A message in a list.

    :param place: its position, for requesting the next page.
    """

    place: Place
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages to list; conditions are combined with AND.

    :param search: with this id, or a reference that begins with this.
    :param status: whose furthest status is this one, or :data:`UNHEARD`.
    :param campaign: of this campaign; ``...`` for any, ``None`` for those without.
    :param account_id: of this account.
    :param receiver: with an event that came to the receiver with this name.
    :param failed: ``True``: with a failure, whatever the status is now; ``False``: the others.
    :param codes: failed with one of these error codes; ``None`` for a failure without one.
    :param since: sent at or after this (aware datetime).
    :param until: sent before this (aware datetime).
    :param stuck_since: sent before this, and neither delivered nor failed.
    """

    search: str | None = None
    status: str | None = None
    campaign: str | Any | None = ...
    account_id: str | None = None
    receiver: str | None = None
    failed: bool | None = None
    codes: Collection[str | None] | None = None
    since: datetime | None = None
    until: datetime | None = None
    stuck_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """The state of one handler for an event.

    :param state: ``done``, ``superseded``, ``gave up``, or ``failed`` or ``postponed``: to be
        called again, unless the event is dead.
    :param attempts: how often it failed, including before its event was revived.
    :param last_error: the type and message of its last failure, or its reason; kept after it
        succeeds.
    :param last_error_at: when that was (UTC).
    :param at: when it was settled (UTC); ``None`` if it is not, or the ledger does not keep that.
    """

    handler: str
    state: str
    attempts: int = 0
    last_error: str | None = field(default=None, repr=False)
    last_error_at: datetime | None = None
    at: datetime | None = None


class Unsettled(NamedTuple):
    """The outcome of a handler that did not succeed in an attempt.

    :param outcome: ``failed``, ``postponed`` or ``gave up``.
    :param counts: 1 if it is a failed attempt, else 0.
    :param said: the type and message of the exception, or the handler's reason.
    """

    handler: str
    outcome: str
    counts: int
    said: str


def unsettled_by(tried: Tried) -> Iterator[Unsettled]:
    """Return the handlers that did not succeed in an attempt."""
    for handler, said in tried.failed.items():
        yield Unsettled(handler, "failed", 1, said)
    for handler, said in tried.postponed.items():
        yield Unsettled(handler, "postponed", 0, said)
    for handler, said in tried.gave_up.items():
        yield Unsettled(handler, "gave up", 1, said)


def told(settled: Iterable[Handling], unsettled: Iterable[Handling]) -> list[Handling]:
    """Return the state of each of an event's handlers.

    :param settled: those that are not called again.
    :param unsettled: the handlers' failures, including those of handlers that were settled later.
    """
    errors = {one.handler: one for one in unsettled}
    both = []
    for one in settled:
        error = errors.pop(one.handler, None)
        both.append(one if error is None else replace(error, state=one.state, at=one.at))
    return [*both, *errors.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetail:
    """What is recorded of an event besides the fields of :meth:`Ledger.events`.

    :param body: its JSON text as received.
    :param headers: the values of ``FD_WHATSAPP_DATA_HEADERS`` that came with it.
    :param handlings: its handlers, those that have been called.
    """

    event_id: Any
    body: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    handlings: Sequence[Handling]


class Browser(Protocol):
    """The part of a ledger that lists messages, and shows one in detail."""

    def page(
        self,
        wanted: MessageFilter,
        *,
        before: Place | None = None,
        after: Place | None = None,
        limit: int,
    ) -> list[ListedMessage]:
        """Return the messages that meet *wanted*, most recently sent first.

        :param before: only those after this position in that order: the next page.
        :param after: only those before it, in reverse order: the previous page.
        """
        ...

    def details(self, message_id: str, account_id: str) -> list[EventDetail]:
        """Return the events of a message in the order they were recorded."""
        ...
