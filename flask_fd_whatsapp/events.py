"""The event that is passed from the request to the handlers, and its parts."""

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
"""The sources of events: Freshdesk's webhook, or its API."""


def is_message_event(event_type: str) -> bool:
    """Whether *event_type* is :data:`EVENT_TYPE`, ignoring case and surrounding blanks."""
    return event_type.strip().lower() == EVENT_TYPE


class Status(StrEnum):
    """The documented statuses of an outbound message, each with its rank.

    Do not compare the strings: compare :func:`rank_of` or ``event.rank``. To add a status, add a
    line here, and its signal to :mod:`flask_fd_whatsapp.signals`.

    :ivar rank: the position on a message's way forward; ``None`` for a status that moves nothing.
    """

    _value_: str
    rank: int | None

    QUEUED = "QUEUED", 0
    SENT = "SENT", 1
    DELIVERED = "DELIVERED", 3
    READ = "READ", 4
    FAILED = "FAILED", 2

    def __new__(cls, value: str, rank: int | None = None) -> Self:
        """Create a member whose text is *value*."""
        status = str.__new__(cls, value)
        status._value_ = value
        status.rank = rank
        return status


STATUSES: Final[Mapping[str, Status]] = {status.value: status for status in Status}
"""The documented statuses by their text."""

_RANKS: Final[Mapping[str | None, int | None]] = {status: status.rank for status in Status}


def rank_of(status: str | None) -> int | None:
    """Return the rank of *status*, ``None`` for an unknown one.

    FAILED ranks below DELIVERED: with several devices a message may be delivered after it failed,
    and a failure never reverts a delivery.
    """
    return _RANKS.get(status)


def is_ahead(status: str | None, of: str | None) -> bool:
    """Whether *status* ranks above *of*."""
    rank, other = _RANKS.get(status), _RANKS.get(of)
    return rank is not None and (other is None or rank > other)


class EventKey(NamedTuple):
    """The identity of an event: Freshdesk sends no event id."""

    account_id: str
    message_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused the event: an agent (QUEUED) or the system (all later statuses).

    ``name`` is personal data and therefore not part of the ``repr``.
    """

    id: str | None = None
    name: str | None = field(default=None, repr=False)
    type: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryError:
    """Why a message failed; ``code`` is always text, whatever Freshdesk sent."""

    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One status of one outbound WhatsApp message.

    ``event_time`` (when Freshdesk created the webhook) and ``timestamp`` (when the status changed,
    according to WhatsApp) are aware UTC datetimes with microseconds. ``payload`` is the JSON object
    as received; do not change it, and it is not part of equality. ``headers`` holds the values of
    ``FD_WHATSAPP_DATA_HEADERS``. ``previous_status`` is the message's status before this event, and
    ``is_stale`` is true if this event did not move the message forward. ``failure`` classifies
    ``error``: the receiver sets it, and it is ``None`` without an error. ``source`` is
    ``"webhook"``, or ``"api"`` for what Freshdesk's API reported.
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
        """The rank of ``status``, ``None`` for an unknown status."""
        return rank_of(self.status)

    @property
    def is_time_estimated(self) -> bool:
        """Whether ``timestamp`` is not WhatsApp's own: the API reports no time for a status."""
        return self.source == API

    @property
    def key(self) -> EventKey:
        """The identity of the event."""
        return EventKey(self.account_id, self.message_id, self.status)
