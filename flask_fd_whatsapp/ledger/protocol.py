"""What a ledger is: the protocol.

A ledger remembers which events have been seen, what became of each message, which handlers
have succeeded, and which process is handling a message right now (its *claim*).  It knows
nothing of HTTP, signals or schemas.
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

    Hosts call its methods; its parts are for the package, and documented in their protocols.
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
        """The last use of each position of a token."""
        ...

    @property
    def reservations(self) -> Reservations:
        """What is due, and who has taken it to try it."""
        ...

    @property
    def replays(self) -> Replays:
        """Who calls a handler with past events."""
        ...

    @property
    def dead_events(self) -> DeadEvents:
        """What is done with events that are dead."""
        ...

    @property
    def overview(self) -> Overview:
        """How things stand."""
        ...

    @property
    def browser(self) -> Browser:
        """Lists messages page by page."""
        ...

    @property
    def gauges(self) -> GaugeReader:
        """What monitors keep over time."""
        ...

    @property
    def drift(self) -> DriftRecord:
        """What was seen in payloads and is not known here."""
        ...

    @property
    def maintenance(self) -> Maintenance:
        """What keeps the ledger going."""
        ...

    @property
    def campaigns(self) -> Campaigns:
        """The campaign rule, applied to what is recorded."""
        ...

    @property
    def send_record(self) -> SendRecord:
        """What was sent."""
        ...

    @property
    def rates(self) -> Rates:
        """The pace of the API's calls."""
        ...

    @property
    def asking(self) -> Asking:
        """Which messages are to be asked for."""
        ...

    def sends(
        self,
        *,
        external_reference_id: str | None = None,
        state: SendState | str | None = None,
        campaign: str | None = None,
        limit: int = 100,
    ) -> list[Send]:
        """What was sent that meets every condition given, newest first.

        Unknown sends of which it can be told by now what they became are settled.

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
        """Store a message that a client of the host's own has sent, before anything is heard of it.

        :param account_id: may be left out if the message is known, or the receivers' settings list
            exactly one account.
        :param sent_at: when it was sent (aware datetime); now, if that is not said.
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
    """The event of that id, ``None`` if there is none (any more)."""
    if event_id is None:
        return None
    found = ledger.events(after=event_id - 1, before=event_id + 1, limit=1)
    return found[0] if found else None
