"""The protocol of a ledger.

A ledger records which events have been received, the state of each message, which handlers have
succeeded, and which process is handling a message right now (its *claim*). It knows nothing about
HTTP, signals or schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Protocol

from .api_parts import Asking, Rates, SendRecord
from .drift import DriftRecord
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
from .report_parts import Campaigns, Reporting
from .send_records import Send, SendState
from .views import Event, Quarantined, Upgraded


class Ledger(Recording, Queries, Reporting, Protocol):
    """Where events are recorded.  Every method may raise :class:`LedgerUnavailable`.

    Hosts call its methods; its parts are for the package, and are documented in their protocols.
    """

    @property
    def durable(self) -> bool:
        """Whether what is recorded outlives the process."""
        ...

    @property
    def transaction(self) -> Any:
        """:attr:`Claim.transaction` of the handler being called."""
        ...

    @property
    def quarantine(self) -> Quarantine:
        """The bodies that could not be used."""
        ...

    @property
    def rejections(self) -> LastRejections:
        """The last rejection of each kind."""
        ...

    @property
    def token_uses(self) -> LastTokenUses:
        """When each position of a rotated token was last used."""
        ...

    @property
    def reservations(self) -> Reservations:
        """Reservations of due events."""
        ...

    @property
    def replays(self) -> Replays:
        """Leases of replays."""
        ...

    @property
    def dead_events(self) -> DeadEvents:
        """Revives or acknowledges dead events."""
        ...

    @property
    def overview(self) -> Overview:
        """The state of the ledger."""
        ...

    @property
    def browser(self) -> Browser:
        """Lists messages page by page."""
        ...

    @property
    def gauges(self) -> GaugeReader:
        """What a monitoring system records over time."""
        ...

    @property
    def drift(self) -> DriftRecord:
        """Unknown parts of payloads."""
        ...

    @property
    def maintenance(self) -> Maintenance:
        """Maintenance of the ledger."""
        ...

    @property
    def campaigns(self) -> Campaigns:
        """The campaign rule, applied to recorded messages."""
        ...

    @property
    def send_record(self) -> SendRecord:
        """Records of sends."""
        ...

    @property
    def rates(self) -> Rates:
        """The pace of the API's calls."""
        ...

    @property
    def asking(self) -> Asking:
        """Which messages to ask Freshdesk about."""
        ...

    def sends(
        self,
        *,
        external_reference_id: str | None = None,
        state: SendState | str | None = None,
        campaign: str | None = None,
        limit: int = 100,
    ) -> list[Send]:
        """Return the sends that meet all conditions, newest first.

        Settles unknown sends whose outcome has become known.

        :param state: ``"sending"``, ``"sent"``, ``"refused"``, ``"unsent"`` or ``"unknown"``.
        """
        ...

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
        """Record a message that another API client has sent, before its first event.

        :param account_id: optional if the message is known, or the receivers' settings list exactly
            one account.
        :param sent_at: when it was sent (aware datetime). [default: now]
        :raises TypeError: if *account_id* is needed.
        """
        ...

    def quarantined(
        self,
        *,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """:meth:`.Quarantine.entries`."""
        ...

    def prune(
        self, *, before: datetime, limit: int, receiver: str | Collection[str] | None = None
    ) -> int:
        """:meth:`.Maintenance.prune`."""
        ...

    def check(self) -> list[str]:
        """:meth:`.Maintenance.check`."""
        ...

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """:meth:`.Maintenance.upgrade`."""
        ...


def find_event(ledger: Queries, event_id: Any) -> Event | None:
    """Return the event with that id, ``None`` if there is none (any more)."""
    if event_id is None:
        return None
    found = ledger.events(after=event_id - 1, before=event_id + 1, limit=1)
    return found[0] if found else None
