"""What a ledger is: the protocol, and what goes in and comes out.

A ledger remembers which events have been seen, what became of each message, which handlers
have succeeded, and which process is handling a message right now (its *claim*).  It knows
nothing of HTTP, signals or schemas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ..events import Status, StatusEvent
from .views import Backlog, Event, Message, Quarantined, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of claims.

    :param lease_seconds: how long a claim holds without a sign of life.
    :param max_attempts: tries that failed, or whose process died, before an event is dead.
    """

    lease_seconds: float = 60
    max_attempts: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event to record.

    :param receiver: the name of the receiver that took it in.
    :param event: the event as loaded.
    :param body: its JSON text as received.
    :param headers: the values of ``FD_WHATSAPP_DATA_HEADERS`` that came with it.
    :param campaign: the campaign of its own ``external_reference_id``.
    """

    receiver: str
    event: StatusEvent
    body: str
    headers: Mapping[str, str]
    campaign: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a try brought that the ledger does not know yet.

    :param succeeded: the last handler, if it succeeded (earlier ones are recorded already).
    :param superseded: handlers not called because the message has moved past the event.
    :param failed: the handlers that failed, with type and message of the exception.
    :param retry_after: seconds until a handler wants to be called again, if one does.
    """

    succeeded: str | None = None
    superseded: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


class Claim(Protocol):
    """The right to handle a message, under a lease.

    Every method raises :class:`ClaimLost` once another has taken the message, and then
    changes nothing.
    """

    @property
    def transaction(self) -> Any:
        """A connection whose writes commit with the success of the handler being called."""
        ...

    def succeeded(self, handler: str) -> None:
        """Record that *handler* succeeded, and renew the lease."""
        ...

    def undo(self) -> None:
        """Roll back what the handler being called wrote through :attr:`transaction`."""
        ...

    def finish(self, tried: Tried) -> State:
        """Record the rest of a try, and what has become of the event; let the message go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as the ledger knows it.

    :param id: the ledger's own id of the event.
    :param state: whether it has been handled already.
    :param claim: the right to handle it; ``None`` if it is not pending, if another handles its
        message, or if no claim was asked for.
    :param body: its JSON text.
    :param headers: the data headers that came with it.
    :param previous_status: its message's status before it was recorded.
    :param is_stale: it did not move its message forward.
    :param external_reference_id: its message's, from whichever event carried it.
    :param campaign: its message's, likewise.
    :param succeeded: handlers that are not to be called again.
    :param superseded: the message has moved past this event since it was recorded.
    :param has_died: the event became dead just now, since the last processes to try it died.
    """

    id: Any
    state: State
    claim: Claim | None
    body: str
    headers: Mapping[str, str]
    previous_status: Status | None
    is_stale: bool
    external_reference_id: str | None
    campaign: str | None
    succeeded: frozenset[str] = frozenset()
    superseded: bool = False
    has_died: bool = False


class Ledger(Protocol):
    """Where events are recorded.  Every method may raise :class:`LedgerUnavailable`."""

    @property
    def durable(self) -> bool:
        """Whether what is recorded outlives the process."""
        ...

    @property
    def transaction(self) -> Any:
        """:attr:`Claim.transaction` of the handler being called."""
        ...

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message.

        One atomic step; on a durable ledger it is on disk when this returns.
        """
        ...

    def claim(
        self, event_id: Any, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder.

        ``None`` if there is no such event (any more).

        :param settled: claim it even if the event is done or dead; that counts as no try, and
            finishing such a claim changes nothing of the event.
        """
        ...

    def quarantine(
        self,
        body: bytes,
        *,
        receiver: str,
        reason: str,
        detail: str,
        headers: Mapping[str, str],
        keep: int,
    ) -> None:
        """Keep *body*; of ignored and of other bodies the *keep* newest stay."""
        ...

    def discard(self, quarantined_id: Any) -> bool:
        """Take an entry out of quarantine; whether there was one."""
        ...

    def quarantined(self) -> list[Quarantined]:
        """What is in quarantine, oldest first."""
        ...

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown.

        :raises AmbiguousMessage: if several accounts have it and *account_id* is not given.
        """
        ...

    def messages(self, *, external_reference_id: str) -> list[Message]:
        """The messages sent with this reference, in the order they were first heard of."""
        ...

    def events(
        self,
        *,
        status: str | None = None,
        account_id: str | None = None,
        campaign: str | None = None,
        external_reference_id: str | None = None,
        message_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        state: State | None = None,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Event]:
        """Events that meet every condition given, newest first.

        :param since: received at or after this (aware datetime).
        :param until: received before this (aware datetime).
        :param before: recorded before the event of this id: the next page.
        :param after: recorded after the event of this id (0 for all), oldest first.
        """
        ...

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """How many messages are at each :class:`Status`, by the furthest each has reached.

        :param since: first heard of at or after this (aware datetime).
        :param until: first heard of before this (aware datetime).
        """
        ...

    def due(self, *, receiver: str, limit: int) -> Sequence[Any]:
        """Ids of events that are due and whose message nobody handles, longest due first."""
        ...

    def revive(self, event_id: Any) -> bool:
        """Make a dead event pending and due, its attempts forgotten; whether it was dead."""
        ...

    def backlog(self) -> Backlog:
        """How the ledger stands."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :return: how many were forgotten; fewer than *limit* if no more are left.
        """
        ...

    def check(self) -> list[str]:
        """What is doubtful about the ledger.

        :raises LedgerUnavailable: if it cannot be used, with the remedy.
        """
        ...

    def upgrade(self) -> None:
        """Create what the ledger needs to record, or bring it up to date."""
        ...
