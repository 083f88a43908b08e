"""A ledger composed of its parts; shared by the in-memory and SQL ledgers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Unpack

from .api_parts import Asking, Rates, SendRecord
from .context import only_account
from .drift import DriftRecord
from .event_filter import EventFilter
from .gauges import GaugeReader
from .listing import Browser
from .operating_parts import (
    DeadEvents,
    LastRejections,
    LastTokenUses,
    Maintenance,
    Overview,
    Replays,
    Reservations,
)
from .parts import Quarantine, Queries, Recording
from .records import Entry, Policy, Recorded
from .report_parts import Campaigns, Reporting, Reports
from .send_records import Expected, Send, SendFilter, SendState
from .views import Event, Message, Quarantined, Upgraded


@dataclass(kw_only=True, eq=False, repr=False)
class ComposedLedger(Reporting):
    """The parts as attributes, and the public methods."""

    recording: Recording
    queries: Queries
    quarantine: Quarantine
    rejections: LastRejections
    token_uses: LastTokenUses
    reservations: Reservations
    replays: Replays
    dead_events: DeadEvents
    overview: Overview
    browser: Browser
    maintenance: Maintenance
    reports: Reports
    send_record: SendRecord
    rates: Rates
    asking: Asking
    campaigns: Campaigns
    gauges: GaugeReader
    drift: DriftRecord

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless a duplicate, raise its message's status, claim the message."""
        return self.recording.record(entry, policy, claim=claim)

    def claim(
        self, event_id: Any, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder."""
        return self.recording.claim(event_id, policy, wait=wait, settled=settled)

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """Return one message, ``None`` if it is unknown."""
        return self.queries.message(message_id, account_id)

    def messages(
        self,
        *,
        external_reference_id: str | None = None,
        message_ids: Collection[str] | None = None,
    ) -> list[Message]:
        """Return the messages that meet all conditions, in the order they were first seen."""
        return self.queries.messages(
            external_reference_id=external_reference_id, message_ids=message_ids
        )

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Return the events that meet all conditions, newest first."""
        return self.queries.events(**wanted)

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """Return how many messages are at each status."""
        return self.queries.counts(since=since, until=until, campaign=campaign)

    def quarantined(
        self,
        *,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """Return the entries in quarantine, newest first (by when they were first seen)."""
        return self.quarantine.entries(receiver=receiver, before=before, after=after, limit=limit)

    def sends(
        self,
        *,
        external_reference_id: str | None = None,
        state: SendState | str | None = None,
        campaign: str | None = None,
        limit: int = 100,
    ) -> list[Send]:
        """Return the sends that meet all conditions, newest first."""
        wanted = SendFilter(
            external_reference_id=external_reference_id,
            state=None if state is None else SendState(state),
            campaign=campaign,
            limit=limit,
        )
        self.send_record.settle()
        return self.send_record.listed(wanted)

    def expect(
        self,
        message_id: str,
        *,
        external_reference_id: str | None = None,
        account_id: str | None = None,
        campaign: str | None = None,
        template: str | None = None,
        language: str | None = None,
        sent_at: datetime | None = None,
    ) -> None:
        """Record a message that another API client has sent."""
        if account_id is None:
            known = self.queries.messages(message_ids=[message_id])
            account_id = known[0].account_id if len(known) == 1 else only_account(self)
        self.send_record.expect(
            Expected(
                account_id=account_id,
                message_id=message_id,
                external_reference_id=external_reference_id,
                campaign=campaign,
                template=template,
                language=language,
                sent_at=sent_at,
            )
        )

    def prune(
        self, *, before: datetime, limit: int, receiver: str | Collection[str] | None = None
    ) -> int:
        """Delete at most *limit* finished messages without an event since *before*.

        :param before: an aware datetime.
        :param receiver: only messages whose events all came to the receivers with these names.
        :return: how many were deleted.
        """
        return self.maintenance.prune(before=before, limit=limit, receiver=receiver)

    def check(self) -> list[str]:
        """Return warnings about the ledger."""
        return self.maintenance.check()

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Create the ledger's tables or upgrade them, while events are recorded."""
        return self.maintenance.upgrade(to, tell=tell)
