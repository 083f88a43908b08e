"""What a ledger is composed of: its parts, with a small protocol each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import EllipsisType
from typing import Any, Protocol, Unpack

from ..engagement import Engagement, Feed
from ..engagement.report import ReportRules
from .records import Entry, Policy, Recorded, Unusable
from .views import (
    Backlog,
    BeingHandled,
    Event,
    EventFilter,
    Message,
    Quarantined,
    Rejection,
    TokenUse,
    Upgraded,
)


class Recording(Protocol):
    """Records events, and claims their messages."""

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message.

        One atomic step; on a durable ledger it is on disk when this returns.  If the event was
        recorded before, its message is claimed first and the try counted after that: a process
        that dies in between costs a lease.
        """
        ...

    def claim(
        self, event_id: Any, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder.

        ``None`` if there is no such event (any more).  A process that dies before the try is
        counted costs a lease, as for :meth:`record`.

        :param settled: claim it even if the event is done or dead; that counts as no try, and
            finishing such a claim changes nothing of the event.
        """
        ...


class Reports(Protocol):
    """Says what the statuses say."""

    rules: ReportRules
    """What the settings of the ledger's receivers say about reports."""

    def engagement(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        by: str | Sequence[str] | None = None,
        tz: str = "UTC",
        campaign: str | EllipsisType | None = ...,
        account_id: str | None = None,
        receiver: str | None = None,
        template: str | None = None,
        times: bool = True,
    ) -> Engagement:
        """What became of the messages that were sent in a period.

        :raises ValueError: if there is no such dimension or zone, or a moment is not aware.
        """
        ...

    def feed(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        receiver: str | None = None,
    ) -> Feed:
        """How the webhooks came in a period, by when they were received.

        :raises ValueError: if a moment is not aware.
        """
        ...

    def count_duplicates(self, receiver: str, hour: datetime, count: int) -> None:
        """Count that events came again in an hour (UTC)."""
        ...


class Queries(Protocol):
    """Answers what hosts ask of their messages."""

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown.

        :raises AmbiguousMessage: if several accounts have it and *account_id* is not given.
        """
        ...

    def messages(
        self,
        *,
        external_reference_id: str | None = None,
        message_ids: Collection[str] | None = None,
    ) -> list[Message]:
        """The messages that meet every condition given, in the order they were first heard of.

        :param external_reference_id: sent with this reference.
        :param message_ids: with one of these ids, of whatever account; what is unknown is left out.
        :raises TypeError: if there is no condition.
        """
        ...

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Events that meet every condition given, newest first: see :class:`EventFilter`.

        Newest is the largest id; where ``since``, ``until`` or ``receiver`` is given, a database
        may go by ``received_at``.  Clocks make these differ a little.

        :raises TypeError: if there is no such condition.
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


class Quarantine(Protocol):
    """Keeps the bodies that could not be used."""

    def keep(self, unusable: Unusable, *, at_most: int, is_replay: bool = False) -> int:
        """Keep a body, or count it once more; of ignored and of other ones *at_most* stay.

        :param at_most: how many of the receiver's stay; those not seen for longest go.
        :param is_replay: it did not come again, but was replayed: what is wrong with it is noted,
            and neither is it counted nor seen.
        :return: how many had to go.
        """
        ...

    def discard(self, quarantined_id: Any) -> bool:
        """Take an entry out of quarantine; whether there was one."""
        ...

    def entries(
        self,
        *,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """What is in quarantine, newest (by when it was first seen) first.

        :param receiver: what came to the receiver of this name.
        :param before: entries older than the one of this id: the next page.
        :param after: entries newer than the one of this id (0 for all), oldest first.
        """
        ...

    def body(self, quarantined_id: Any) -> bytes | None:
        """The body of an entry, ``None`` if it is not in quarantine (any more)."""
        ...


class LastRejections(Protocol):
    """Knows the last rejection of each receiver and reason."""

    def note(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last of its receiver, reason and ``has_no_header``."""
        ...

    def last(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection of each receiver (or of this one) and reason, newest first."""
        ...

    def acknowledge(self, *, receiver: str | None = None) -> int:
        """Take note of all :meth:`last` ones so far; gives how many nobody had taken note of."""
        ...


class LastTokenUses(Protocol):
    """Knows when each position of a rotated token was used last."""

    def note(self, use: TokenUse) -> None:
        """Keep *use* as the last one of its receiver, header and position."""
        ...

    def last(self, *, receiver: str | None = None) -> list[TokenUse]:
        """The last uses of every receiver (or of this one), by header and position."""
        ...


class Reservations(Protocol):
    """Hands out what is due: several sweeps at once get different events."""

    def due(self, *, receiver: str | None = None, limit: int) -> Sequence[Any]:
        """Ids of events that are due, longest due first.

        Left out is what is in somebody's hands: reserved, or its message being handled.
        """
        ...

    def reserve(self, *, receiver: str, limit: int, seconds: float) -> Sequence[Any]:
        """Take what is due, as :meth:`due` gives it, to try it.

        Until *seconds* are over nobody else gets it, unless it is given back or tried before.
        That is no attempt, and no claim.
        """
        ...

    def reserved(self) -> Mapping[str, int]:
        """How many due events are reserved just now, by receiver."""
        ...

    def unreserve(self, event_ids: Collection[Any]) -> None:
        """Give back what was reserved and not tried."""
        ...


class Replays(Protocol):
    """Keeps two replays of one handler apart, of whichever process."""

    def hold(self, *, receiver: str, handler: str, token: str, seconds: float) -> datetime | None:
        """Begin a replay of a handler, or go on with it.

        :param token: the replay's own, the same each time.
        :param seconds: after this it may be another's, unless it is gone on with.
        :return: ``None``, or until when another holds it (UTC).
        """
        ...

    def end(self, *, receiver: str, handler: str, token: str) -> None:
        """Let others replay; nothing, if it is another's by now."""
        ...


class DeadEvents(Protocol):
    """Revives what is dead, or takes note of it."""

    def revive(self, event_id: Any) -> bool:
        """Make a dead event pending and due, its attempts forgotten; whether it was dead."""
        ...

    def acknowledge(self, *, receiver: str | None = None, event_id: Any = None) -> int:
        """Take note of the events that are dead, so that nobody is told of them again.

        One that is revived and dies again is new.

        :param receiver: those of the receiver of this name.
        :param event_id: the one of this id.
        :return: how many nobody had taken note of.
        """
        ...


class Overview(Protocol):
    """Tells those who watch how things stand."""

    def backlog(self, *, receiver: str | None = None) -> Backlog:
        """How the ledger stands, or what is in it of the receiver of this name."""
        ...

    def being_handled(self, *, receiver: str | None = None) -> list[BeingHandled]:
        """The pending events that are being handled right now, longest first.

        :param receiver: those of the receiver of this name.
        """
        ...

    def receivers(self) -> list[str]:
        """The names of the receivers that events came to, in order."""
        ...


class Maintenance(Protocol):
    """Keeps the ledger going."""

    def prune(
        self, *, before: datetime, limit: int, receiver: str | Collection[str] | None = None
    ) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param before: an aware datetime.
        :param receiver: only messages all of whose events came to the receiver of this name, or to
            receivers of these names, so that no other loses what it wants to keep for longer.
        :return: how many were forgotten; 0 if no more are left, save what is in use right now.
        """
        ...

    @property
    def compacts(self) -> str:
        """What :meth:`compact` does, and whom it locks out meanwhile; empty if it does nothing."""
        ...

    def compact(self) -> None:
        """Give back the space of what was forgotten."""
        ...

    def check(self) -> list[str]:
        """What is doubtful about the ledger.

        :raises LedgerUnavailable: if it cannot be used, with the remedy.
        """
        ...

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Create what the ledger needs to record, or bring it up to date, while events come in.

        :param to: a revision to stop at, instead of the newest.
        :param tell: is called with what is being done; perhaps from another thread.
        :return: what was done; ``None`` if this kind of ledger has no revisions.
        :raises FreshdeskWhatsAppError: if there is no such revision.
        """
        ...
