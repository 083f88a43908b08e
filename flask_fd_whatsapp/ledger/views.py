"""What a ledger returns: messages, events, its state, and what was not accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ..events import WEBHOOK, DeliveryError, Status

IGNORED: Final = "ignored"
"""The reason for quarantined events of other types, which have a limit of their own."""


class State(StrEnum):
    """The state of an event: pending, done, or dead."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is known about one message.

    :param status: the furthest status seen, ``None`` if there was none, or only unknown ones.
    :param times: when each status was reached (WhatsApp's time, UTC), including unknown ones.
    :param error: why it failed, even if it was also delivered.
    :param template: the name of its template, if the sender recorded it.
    :param language: the template's language, likewise.
    :param expected_at: when it was sent, likewise (UTC).
    :param estimated: the statuses whose time is when the API was asked, not WhatsApp's.
    """

    account_id: str
    message_id: str
    status: Status | None
    external_reference_id: str | None
    campaign: str | None
    times: Mapping[str, datetime]
    error: DeliveryError | None
    template: str | None = None
    language: str | None = None
    expected_at: datetime | None = None
    estimated: frozenset[str] = frozenset()


PLAIN: Final = tuple(
    field.name
    for field in fields(Message)
    if field.name not in ("status", "external_reference_id", "times", "error", "estimated")
)
"""The fields of a :class:`Message` that every ledger stores under the same name, unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A recorded event, as listed.

    :param id: the ledger's own id of it.
    :param received_at: when it was recorded (UTC).
    :param timestamp: when the status was reached, as WhatsApp reports it (UTC).
    :param is_stale: whether it did not move its message forward when it was recorded.
    :param is_superseded: whether its message has moved past it by now.
    :param attempts: attempts in which a handler failed or whose process died; a delivery before the
        event was due does not count.
    :param postponed: how often handlers have asked to be called later, since it was recorded or
        last revived.
    :param last_error: by handler, why the last attempt did not finish the event: the type and
        message of a failure, or the reason for which it asked to be called later, or gave up.
    :param due_at: when the sweep may handle it again (UTC), ``None`` once it is done or dead.
    :param source: ``"webhook"``, or ``"api"`` for what Freshdesk's API reported.
    """

    id: Any
    account_id: str
    message_id: str
    status: str
    timestamp: datetime
    received_at: datetime
    receiver: str
    state: State
    is_stale: bool
    is_superseded: bool
    attempts: int
    postponed: int
    last_error: str | None
    due_at: datetime | None
    external_reference_id: str | None
    campaign: str | None
    source: str = WEBHOOK


@dataclass(frozen=True, slots=True, kw_only=True)
class BeingHandled:
    """An event whose handlers a process is calling right now.

    :param since: when that process claimed its message (UTC).
    """

    receiver: str
    event_id: Any
    account_id: str
    message_id: str
    status: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The state of a ledger.

    :param last_received: when the last event was recorded (UTC), ``None`` if there is none.
    :param pending: how many events are not handled yet.
    :param oldest_pending: when the oldest of them was recorded (UTC).
    :param next_due: when the sweep may handle the first of them (UTC).
    :param oldest_due: when the first of those that are not being handled came or comes due (UTC).
    :param failing_since: when the oldest event with a failed handler was recorded, or last revived
        (UTC).
    :param postponed: how many pending events a handler has postponed.
    :param most_postponed: the id of the event postponed most often.
    :param dead: how many are dead.
    :param unacknowledged: how many dead events are not acknowledged.
    :param quarantined: how many unusable bodies are in quarantine.
    :param ignored: how many bodies of other event types are in quarantine.
    """

    last_received: datetime | None = None
    pending: int = 0
    oldest_pending: datetime | None = None
    next_due: datetime | None = None
    oldest_due: datetime | None = None
    failing_since: datetime | None = None
    postponed: int = 0
    most_postponed: Any = None
    dead: int = 0
    unacknowledged: int = 0
    quarantined: int = 0
    ignored: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased of a person's messages.

    :param messages: how many messages, with all their events.
    :param sends: how many sends that became no message.
    :param held: how many messages were not erased because they are being handled right now.
    """

    messages: int
    sends: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What upgrading a ledger did.

    :param before: the revision it was at, ``None`` if it did not exist.
    :param after: the revision it is at.
    :param is_newer: whether it is at a later one than this version of the package knows.
    """

    before: str | None
    after: str
    is_newer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """An authenticated body that could not be used, as listed: one entry, however often it arrived.

    :param id: the ledger's own id of it, for requesting the body.
    :param reason: as in ``webhook_rejected``, or ``ignored`` for another event type.
    :param detail: what exactly was wrong with it.
    :param headers: the values of ``FD_WHATSAPP_DATA_HEADERS`` that came with it.
    :param size: the size of the body in bytes.
    :param first_seen: when it was first received (UTC).
    :param last_seen: when it was last received (UTC).
    :param count: how often it was received.
    """

    id: Any
    receiver: str
    reason: str
    detail: str
    headers: Mapping[str, str] = field(repr=False)
    size: int
    first_seen: datetime
    last_seen: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """The last request that a receiver, or one of its accounts, rejected for a reason.

    :param receiver: the receiver's name, with a slash and the account's key where it has many.
    :param reason: as in ``webhook_rejected``.
    :param status_code: the HTTP status of the answer.
    :param detail: what exactly was wrong; contains nothing of the request but the account id.
    :param last_seen: when it was received (UTC).
    :param has_no_header: whether it carried none of the configured headers; kept separately from
        requests with wrong headers, so that a scanner does not hide a changed token.
    :param is_acknowledged: whether it has been acknowledged.
    :param count: how often a request was rejected for this reason; when recording, how many to add.
        ``None`` if it was never counted.
    :param first_seen: when the first of them was received (UTC), ``None`` if unknown.
    """

    receiver: str
    reason: str
    status_code: int
    detail: str
    last_seen: datetime
    has_no_header: bool = False
    is_acknowledged: bool = False
    count: int | None = field(default=1, compare=False)
    first_seen: datetime | None = field(default=None, compare=False)

    @property
    def is_open(self) -> bool:
        """Whether Freshdesk itself may be locked out, and nobody has acknowledged it."""
        return not (self.has_no_header or self.is_acknowledged or self.reason == IGNORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """When an entry of a header's list of values was last used.

    :param header: the header's name, as in ``FD_WHATSAPP_HEADERS``.
    :param position: which entry of its list, from 1.
    :param last_used: when (UTC), within a minute.
    """

    receiver: str
    header: str
    position: int
    last_used: datetime
