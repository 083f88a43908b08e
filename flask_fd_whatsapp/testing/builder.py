"""Builds the payloads of one message, as Freshdesk sends them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, Final, NamedTuple, TypedDict, Unpack

from ..events import Status
from ..freshdesk.ulid import make_ulid
from ..simulator.account import Account, Agent
from ..simulator.clock import SECOND, nanoseconds, written
from ..simulator.journey import Step
from ..simulator.payloads import make_payload

Payload = dict[str, Any]

ACCOUNT_ID: Final = "11011399037"
START: Final = datetime(2025, 11, 18, 9, 25, 43, 455951, UTC)
"""When the message in the vendor's samples was queued."""

_AGENT: Final = Agent(48046815001, "Agent")
_MILLISECOND: Final = SECOND // 1000
_ULID_AGE: Final = 85 * _MILLISECOND
_STRAIGHT: Final = (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.READ)


class _Timing(NamedTuple):
    """Milliseconds from the start to a status, and microseconds from that to its event."""

    after: int
    lag: int


_TIMINGS: Final[Mapping[str, _Timing]] = {
    Status.QUEUED: _Timing(0, 4),
    Status.SENT: _Timing(2_430, 282_422),
    Status.FAILED: _Timing(3_338, 594_246),
    Status.DELIVERED: _Timing(4_182, 198_256),
    Status.READ: _Timing(60_464, 139_035),
}
"""As in the vendor's samples, except FAILED, which is 52 minutes late there."""

_UNKNOWN: Final = _Timing(90_000, 200_000)

_random: Final = SystemRandom()  # the seeded generator would produce the same ids in each test


class EventFields(TypedDict, total=False):
    """The fields of a payload, by their names there, at any level.

    Times may be aware datetimes, written as Freshdesk writes them, or text, sent unchanged.
    ``None`` is sent as null.
    """

    version: object
    account_id: object
    account_domain: object
    event_type: object
    event_time: datetime | str | None
    actor: object
    external_reference_id: object
    error: object
    message_id: object
    timestamp: datetime | str | None


_FIELDS: Final = frozenset(EventFields.__annotations__)
_DATA: Final = ("external_reference_id", "error", "message_id", "status", "timestamp")


class EventBuilder:
    """Builds the events of one message, in the shape of the vendor's samples.

    Each method returns a payload: a plain dict, which can be changed if no keyword fits (``del
    payload["data"]["timestamp"]``, ``payload | {"brand": "Umbrella"}``).

    :param message_id: the message's id; a new ULID by default.
    :param external_reference_id: the host's own name for it; a new one by default.
    :param account_id: the Freshdesk account; it has to be one that the receiver accepts.
    :param account_domain: the domain of that account.
    :param start: when the message was queued (aware); the other statuses follow after seconds.
    """

    def __init__(
        self,
        *,
        message_id: str | None = None,
        external_reference_id: str | None = None,
        account_id: str = ACCOUNT_ID,
        account_domain: str = "example.freshdesk.com",
        start: datetime = START,
    ) -> None:
        self._start = _nanoseconds(start)
        made = (self._start - _ULID_AGE) // _MILLISECOND
        self.message_id = message_id or make_ulid(made, _random)
        self.external_reference_id = external_reference_id or f"MM-T1-{secrets.token_hex(5)}"
        self.account_id = account_id
        self.account_domain = account_domain
        self.start = start

    def another(
        self, *, message_id: str | None = None, external_reference_id: str | None = None
    ) -> EventBuilder:
        """Return a builder for another message of the same account, with new ids by default."""
        return EventBuilder(
            message_id=message_id,
            external_reference_id=external_reference_id,
            account_id=self.account_id,
            account_domain=self.account_domain,
            start=self.start,
        )

    def queued(self, **fields: Unpack[EventFields]) -> Payload:
        """Freshdesk has the message; the actor is an agent."""
        return self.event(Status.QUEUED, **fields)

    def sent(self, **fields: Unpack[EventFields]) -> Payload:
        """It was submitted to WhatsApp."""
        return self.event(Status.SENT, **fields)

    def delivered(self, **fields: Unpack[EventFields]) -> Payload:
        """It reached the recipient's device."""
        return self.event(Status.DELIVERED, **fields)

    def read(self, **fields: Unpack[EventFields]) -> Payload:
        """The recipient opened it."""
        return self.event(Status.READ, **fields)

    def failed(
        self, code: object = "INVALID", message: object = "FAILED", **fields: Unpack[EventFields]
    ) -> Payload:
        """It failed; as in the vendor's sample there is no ``external_reference_id``.

        :param code: WhatsApp's code, such as ``"131026"``, or Freshdesk's.
        :param message: what it says.
        """
        fields.setdefault("error", {"code": code, "message": message})
        return self.event(Status.FAILED, **fields)

    def event(self, status: str, **fields: Unpack[EventFields]) -> Payload:
        """Build an event of any status, documented or not.

        :raises TypeError: for an undocumented field.
        :raises ValueError: for a datetime without a time zone.
        """
        return self._build(status, self._reached(status), fields)

    def journey(self, *statuses: str) -> list[Payload]:
        """Build the events of a message that goes through *statuses*, in this order and timing.

        The default is QUEUED, SENT, DELIVERED, READ.
        """
        events: list[Payload] = []
        reached = self._start - SECOND
        for status in statuses or _STRAIGHT:
            reached = max(reached + SECOND, self._reached(status))
            events.append(self._build(status, reached, {}))
        return events

    def _reached(self, status: str) -> int:
        return self._start + _timing(status).after * _MILLISECOND

    def _build(self, status: str, reached: int, fields: EventFields) -> Payload:
        unknown = fields.keys() - _FIELDS
        if unknown:
            raise TypeError(
                f"{', '.join(sorted(unknown))}: not documented by Freshdesk; the documented fields "
                f"are {', '.join(sorted(_FIELDS))}. Add it to the payload, which is a plain dict."
            )
        step = Step(
            status,
            timestamp=reached,
            event_time=reached + _timing(status).lag * 1000,
            error=("INVALID", "FAILED") if status == Status.FAILED else None,
        )
        account = Account(id=self.account_id, domain=self.account_domain)
        payload = make_payload(account, _AGENT, self.message_id, self.external_reference_id, step)
        return _overridden(payload, status, fields)


def _overridden(payload: Payload, status: str, fields: EventFields) -> Payload:
    """Return the payload with other values, its fields in the samples' order."""
    data = payload["data"]
    for name, value in fields.items():
        if isinstance(value, datetime):
            is_short = name == "timestamp" and status != Status.QUEUED
            value = written(_nanoseconds(value), 3 if is_short else 9)
        (data if name in _DATA else payload)[name] = value
    payload["data"] = {name: data[name] for name in _DATA if name in data}
    return payload


def _timing(status: str) -> _Timing:
    return _TIMINGS.get(status, _UNKNOWN)


def _nanoseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: set one, such as datetime.UTC.")
    return nanoseconds(moment)
