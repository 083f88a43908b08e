"""What a ledger answers with: messages, events, how it stands, and what is in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ..events import DeliveryError, Status

IGNORED: Final = "ignored"
"""The reason under which events of other types are quarantined, with a bound of their own."""


class State(StrEnum):
    """What became of an event: still to be handled, handled, or given up."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is known of one message.

    :param status: the furthest status seen, ``None`` if only unknown ones were.
    :param times: when each status was reached (WhatsApp's time, UTC), unknown ones included.
    :param error: why it failed, even where it was delivered all the same.
    """

    account_id: str
    message_id: str
    status: Status | None
    external_reference_id: str | None
    campaign: str | None
    times: Mapping[str, datetime]
    error: DeliveryError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A recorded event, as listed.

    :param id: the ledger's own id of it.
    :param received_at: when it was recorded (UTC).
    :param timestamp: when the status was reached, as WhatsApp reports it (UTC).
    :param attempts: tries in which a handler failed or whose process died.
    :param last_error: handler, type and message of the last failure.
    :param due_at: when the sweep may try it again (UTC), ``None`` once it is done or dead.
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
    attempts: int
    last_error: str | None
    due_at: datetime | None
    external_reference_id: str | None
    campaign: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How a ledger stands.

    :param last_received: when the last event was recorded (UTC), ``None`` if there is none.
    :param pending: how many events are still to be handled.
    :param dead: how many are given up.
    :param oldest_pending: when the oldest unfinished one was recorded (UTC).
    """

    last_received: datetime | None
    pending: int
    dead: int
    oldest_pending: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """An authenticated body that could not be used, once however often it came.

    :param reason: as in ``webhook_rejected``, or ``ignored`` for another event type.
    :param detail: what exactly was wrong with it.
    :param headers: the values of ``FD_WHATSAPP_DATA_HEADERS`` that came with it.
    """

    id: Any
    receiver: str
    body: bytes = field(repr=False)
    reason: str
    detail: str
    headers: Mapping[str, str] = field(repr=False)
    first_seen: datetime
    last_seen: datetime
    count: int
