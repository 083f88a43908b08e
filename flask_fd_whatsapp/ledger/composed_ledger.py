"""A ledger composed of its parts: what the one in memory and those in databases share."""

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
    """The parts as attributes, and as methods what hosts call."""

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
        """Insert the event unless it was seen, raise its message's status and claim the message."""
        return self.recording.record(entry, policy, claim=claim)

    def claim(
        self, event_id: Any, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder."""
        return self.recording.claim(event_id, policy, wait=wait, settled=settled)

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown."""
        return self.queries.message(message_id, account_id)

    def messages(
        self,
        *,
        external_reference_id: str | None = None,
        message_ids: Collection[str] | None = None,
    ) -> list[Message]:
        """The messages that meet every condition given, in the order they were first heard of."""
        return self.queries.messages(
            external_reference_id=external_reference_id, message_ids=message_ids
        )

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Events that meet every condition given, newest first."""
        return self.queries.events(**wanted)

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """How many messages are at each status."""
        return self.queries.counts(since=since, until=until, campaign=campaign)

    def quarantined(
        self,
        *,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """What is in quarantine, newest (by when it was first seen) first."""
        return self.quarantine.entries(receiver=receiver, before=before, after=after, limit=limit)

    def sends(
        self,
        *,
        external_reference_id: str | None = None,
        state: SendState | str | None = None,
        campaign: str | None = None,
        limit: int = 100,
    ) -> list[Send]:
        """What was sent that meets every condition given, newest first."""
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
        """Store a message that a client of the host's own has sent."""
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
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param before: an aware datetime.
        :param receiver: only messages all of whose events came to the receivers of these names.
        :return: how many were forgotten.
        """
        return self.maintenance.prune(before=before, limit=limit, receiver=receiver)

    def check(self) -> list[str]:
        """What is doubtful about the ledger."""
        return self.maintenance.check()

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Create what the ledger needs to record, or bring it up to date, while events come in."""
        return self.maintenance.upgrade(to, tell=tell)
