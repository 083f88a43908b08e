"""A message in the in-memory ledger, with its events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from ...engagement.facts import Facts
from ...events import STATUSES, WEBHOOK, DeliveryError, Status, is_ahead, rank_of
from ..asking import ESTIMATED_BITS, estimated_bit
from ..learned import LEARNED
from ..records import Entry
from ..references import storable
from ..send_records import Expected
from ..views import PLAIN, Event, Message, State
from .memory_event import MemoryEvent


@dataclass(slots=True, kw_only=True, eq=False)
class MemoryMessage:
    """A message: its state, its events by status, and who is handling it."""

    account_id: str
    message_id: str
    first_seen: datetime
    last_seen: datetime
    status: Status | None = None
    external_reference_id: str | None = None
    campaign: str | None = None
    error: DeliveryError | None = None
    number: int = 0
    template: str | None = None
    language: str | None = None
    expected_at: datetime | None = None
    ask_at: datetime | None = None
    asks: int = 0
    not_found: int = 0
    events: dict[str, MemoryEvent] = field(default_factory=dict)
    token: object | None = None
    is_awaited: bool = False
    lease_until: float = 0
    claimed: MemoryEvent | None = None
    claimed_at: datetime | None = None
    is_returned: bool = False
    receiver: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether none of its events is pending."""
        return State.PENDING not in [event.state for event in self.events.values()]

    def came_only_to(self, receivers: Collection[str]) -> bool:
        """Whether its events came only to these receivers; if it has none, whether they expect
        it."""
        if not self.events:
            return self.receiver is None or self.receiver in receivers
        return all(event.receiver in receivers for event in self.events.values())

    def add(self, entry: Entry, event_id: int, now: datetime) -> MemoryEvent:
        """Add a new event."""
        event, before = entry.event, self.status
        moves = is_ahead(event.status, before)
        if moves:
            self.status = STATUSES[event.status]
        added = MemoryEvent(
            id=event_id,
            status=str(event.status),
            timestamp=event.timestamp,
            received_at=now,
            receiver=entry.receiver,
            body=entry.body,
            headers=entry.headers,
            previous_status=before,
            is_stale=not moves and rank_of(event.status) is not None,
            due_at=now,
            source=event.source,
            is_estimated=estimated_bit(event) > 0,
        )
        self.events[event.status] = added
        return added

    def correct(self, entry: Entry) -> None:
        """Replace what the API reported for a status with its webhook."""
        event = self.events[entry.event.status]
        if event.source != WEBHOOK and entry.event.source == WEBHOOK:
            event.body, event.headers = entry.body, entry.headers
            event.timestamp, event.source = entry.event.timestamp, WEBHOOK
            event.is_estimated = False

    def expect(self, expected: Expected, now: datetime) -> None:
        """Fill in what is missing from its send."""
        if self.external_reference_id is None:
            self.external_reference_id = storable(expected.external_reference_id)
        if self.campaign is None:
            self.campaign = storable(expected.campaign)
        self.template = self.template or storable(expected.template)
        self.language = self.language or storable(expected.language)
        self.expected_at = self.expected_at or expected.sent_at or now
        self.receiver = self.receiver or expected.receiver

    @property
    def estimated(self) -> frozenset[str]:
        """The known statuses with an estimated time: when the API was asked, not WhatsApp's."""
        return frozenset(event.status for event in self.events.values() if event.is_estimated)

    def learn(self, entry: Entry, now: datetime) -> None:
        """Adopt the reference, campaign and error from whichever event carries them."""
        event = entry.event
        self.last_seen = now
        self.receiver = self.receiver or entry.receiver
        if self.external_reference_id is None:
            self.external_reference_id = storable(event.external_reference_id)
        if event.error is not None and event.status == Status.FAILED:
            self._learn_error(storable(event.error.code), storable(event.error.message))
        for name, given_by in LEARNED.items():
            if getattr(self, name) is None:
                setattr(self, name, given_by(entry))

    def _learn_error(self, code: str | None, message: str | None) -> None:
        """Adopt an error if none is known, or the message that a known one lacks."""
        if self.error is None:
            if code is not None or message is not None:
                self.error = DeliveryError(code, message)
        elif self.error.message is None and self.error.code == code:
            self.error = DeliveryError(code, message)

    @property
    def sent_on(self) -> datetime:
        """When it was sent: its QUEUED time, else when it was expected, else its earliest event's
        time, an estimated one only if there is no other.
        """
        queued = self.events.get(Status.QUEUED)
        if queued is not None:
            return queued.timestamp
        if self.expected_at is not None:
            return self.expected_at
        times = [(event.is_estimated, event.timestamp) for event in self.events.values()]
        return min(times)[1]

    @property
    def facts(self) -> Facts:
        """The facts that reports need."""
        times = {status: event.timestamp for status, event in self.events.items()}
        return Facts(
            sent_on=self.sent_on,
            queued_at=times.get(Status.QUEUED),
            sent_at=times.get(Status.SENT),
            failed_at=times.get(Status.FAILED),
            delivered_at=times.get(Status.DELIVERED),
            read_at=times.get(Status.READ),
            is_heard=bool(times),
            estimated=sum(ESTIMATED_BITS[Status(status)] for status in self.estimated) or None,
            is_returned=self.is_returned,
            account_id=self.account_id,
            message_id=self.message_id,
            campaign=self.campaign,
            template=self.template,
            error_code=self.error.code if self.error else None,
            error_message=self.error.message if self.error else None,
            receiver=self.receiver,
        )

    def view(self) -> Message:
        """The message as queries return it."""
        return Message(
            **{name: getattr(self, name) for name in PLAIN},
            status=self.status,
            external_reference_id=self.external_reference_id,
            times={status: event.timestamp for status, event in self.events.items()},
            error=self.error,
            estimated=self.estimated,
        )

    def view_of(self, event: MemoryEvent) -> Event:
        """One of its events as listings show it."""
        return Event(
            id=event.id,
            account_id=self.account_id,
            message_id=self.message_id,
            status=event.status,
            timestamp=event.timestamp,
            received_at=event.received_at,
            receiver=event.receiver,
            state=event.state,
            is_stale=event.is_stale,
            is_superseded=is_ahead(self.status, of=event.status),
            attempts=event.attempts,
            postponed=event.postponed,
            last_error=event.last_error,
            due_at=event.due_at,
            external_reference_id=self.external_reference_id,
            campaign=self.campaign,
            source=event.source,
        )
