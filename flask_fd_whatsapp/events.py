"""The event that travels from the request to the handlers, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from .failure_reasons import Failure

EVENT_TYPE: Final = "outbound_message_event"
"""The only event type that the vendor documents for message updates."""


WEBHOOK: Final = "webhook"
API: Final = "api"
"""The sources of events: Freshdesk's webhook, and its API when it was asked."""


def is_message_event(event_type: str) -> bool:
    """Whether *event_type* is :data:`EVENT_TYPE`, in whatever case and with blanks around it."""
    return event_type.strip().lower() == EVENT_TYPE


class Status(StrEnum):
    """The documented statuses of an outbound message, each with its rank.

    Ordering of the strings means nothing: compare :func:`rank_of` or ``event.rank``.  A new status
    is a line here, and its signal one in :mod:`flask_fd_whatsapp.signals`.

    :ivar rank: the place on a message's way forward; ``None`` for one that moves nothing.
    """

    _value_: str
    rank: int | None

    QUEUED = "QUEUED", 0
    SENT = "SENT", 1
    DELIVERED = "DELIVERED", 3
    READ = "READ", 4
    FAILED = "FAILED", 2

    def __new__(cls, value: str, rank: int | None = None) -> Self:
        """Make a member, which is the text *value*."""
        status = str.__new__(cls, value)
        status._value_ = value
        status.rank = rank
        return status


_RANKS: Final[Mapping[str, int | None]] = {status: status.rank for status in Status}


def rank_of(status: str | None) -> int | None:
    """The place of *status* on a message's way forward, ``None`` for an unknown one.

    FAILED stands below DELIVERED: with several devices a message may be delivered after
    it failed, and a failure never takes back a delivery.
    """
    return None if status is None else _RANKS.get(status)


def is_ahead(status: str | None, of: str | None) -> bool:
    """Whether *status* lies further on a message's way than *of*."""
    rank, other = rank_of(status), rank_of(of)
    return rank is not None and (other is None or rank > other)


class EventKey(NamedTuple):
    """What makes an event the same event: Freshdesk sends no event id."""

    account_id: str
    message_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused the event: an agent (QUEUED) or the system (all that follows).

    ``name`` is a person's name and therefore not part of the ``repr``.
    """

    id: str | None = None
    name: str | None = field(default=None, repr=False)
    type: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryError:
    """Why a message failed; ``code`` is text, whatever Freshdesk sent."""

    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One status of one outbound WhatsApp message.

    ``event_time`` (when Freshdesk made the webhook) and ``timestamp`` (when the status
    changed, as WhatsApp reports it) are aware UTC datetimes with microseconds.
    ``payload`` is the JSON object as received, not to be changed and not part of equality.
    ``headers`` holds the values of ``FD_WHATSAPP_DATA_HEADERS``.  ``previous_status`` is
    the message's status before this event, and ``is_stale`` says that this event did not
    move the message forward.  ``failure`` says what its ``error`` means: the
    receiver fills it, and it is ``None`` where there is no error.  ``source`` is ``"webhook"``, or
    ``"api"`` for what Freshdesk told when it was asked.
    """

    account_id: str
    message_id: str
    status: Status | str
    timestamp: datetime
    version: str | None = None
    account_domain: str | None = None
    event_type: str = EVENT_TYPE
    event_time: datetime | None = None
    actor: Actor | None = None
    external_reference_id: str | None = None
    error: DeliveryError | None = None
    payload: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    campaign: str | None = None
    previous_status: Status | None = None
    is_stale: bool = False
    failure: Failure | None = field(default=None, compare=False)
    source: str = WEBHOOK

    @property
    def rank(self) -> int | None:
        """The place of ``status`` on a message's way, ``None`` for an unknown status."""
        return rank_of(self.status)

    @property
    def is_time_estimated(self) -> bool:
        """Whether ``timestamp`` is not WhatsApp's own: the API tells no time of a status."""
        return self.source == API

    @property
    def key(self) -> EventKey:
        """The identity of the event."""
        return EventKey(self.account_id, self.message_id, self.status)
