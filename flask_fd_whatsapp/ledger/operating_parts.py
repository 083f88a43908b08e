"""The parts of a ledger for operating it, each with a small protocol."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from .records import OneAccount
from .views import Backlog, BeingHandled, Erased, Rejection, TokenUse, Upgraded


class LastRejections(Protocol):
    """Records the last rejection for each receiver and reason."""

    def note(self, rejection: Rejection) -> None:
        """Record *rejection* as the last of its receiver, reason and ``has_no_header``."""
        ...

    def last(self, *, receiver: str | None = None) -> list[Rejection]:
        """Return the last rejection for each receiver (or this one) and reason, newest first.

        :param receiver: including its accounts, whose rejections are kept separately.
        """
        ...

    def acknowledge(self, *, receiver: str | None = None) -> int:
        """Acknowledge all rejections so far; return how many were not acknowledged before.

        :param receiver: only those of this receiver, including its accounts.
        """
        ...


class LastTokenUses(Protocol):
    """Records when each position of a rotated token was last used."""

    def note(self, use: TokenUse) -> None:
        """Record *use* as the last one of its receiver, header and position."""
        ...

    def last(self, *, receiver: str | None = None) -> list[TokenUse]:
        """Return the last uses for all receivers (or this one), by header and position."""
        ...


class Reservations(Protocol):
    """Reserves due events, so that concurrent sweeps get different ones."""

    def due(self, *, receiver: str | None = None, limit: int) -> Sequence[Any]:
        """Return the ids of due events, longest due first.

        Events that are reserved, or whose message is being handled, are left out.
        """
        ...

    def reserve(self, *, receiver: str, limit: int, seconds: float) -> Sequence[Any]:
        """Reserve due events, as :meth:`due` returns them, for handling.

        For *seconds*, no other sweep gets them, unless they are released or handled before. A
        reservation is neither an attempt nor a claim.
        """
        ...

    def extend(self, event_ids: Collection[Any], *, seconds: float) -> None:
        """Reserve for *seconds* from now what is still reserved: neither released nor handled."""
        ...

    def reserved(self) -> Mapping[str, int]:
        """Return how many due events are currently reserved, by receiver."""
        ...

    def unreserve(self, event_ids: Collection[Any]) -> None:
        """Release what was reserved but not handled."""
        ...


class Replays(Protocol):
    """Prevents concurrent replays of the same handler, across processes."""

    def hold(self, *, receiver: str, handler: str, token: str, seconds: float) -> datetime | None:
        """Begin a replay of a handler, or renew its lease.

        :param token: identifies the replay; the same each time.
        :param seconds: the length of the lease.
        :return: ``None``, or when another replay's lease expires (UTC).
        """
        ...

    def end(self, *, receiver: str, handler: str, token: str) -> None:
        """End a replay; does nothing if another one holds the lease."""
        ...


class DeadEvents(Protocol):
    """Revives or acknowledges dead events."""

    def revive(self, event_id: Any) -> bool:
        """Make a dead event pending and due, with no attempts; return whether it was dead."""
        ...

    def acknowledge(self, *, receiver: str | None = None, event_id: Any = None) -> int:
        """Acknowledge dead events, so that they are not reported again.

        An event that is revived and dies again is reported again.

        :param receiver: only events of the receiver with this name.
        :param event_id: only the event with this id.
        :return: how many were not acknowledged before.
        """
        ...


class Overview(Protocol):
    """Shows the state of the ledger."""

    def backlog(self, *, receiver: str | None = None, account: OneAccount | None = None) -> Backlog:
        """Return the state of the ledger, or of its receiver with this name.

        :param account: only of this one of the receiver's accounts.
        """
        ...

    def being_handled(
        self, *, receiver: str | None = None, account: OneAccount | None = None
    ) -> list[BeingHandled]:
        """Return the pending events that are being handled right now, longest first.

        :param receiver: only events of the receiver with this name.
        :param account: only events of this one of its accounts.
        """
        ...

    def receivers(self) -> list[str]:
        """Return the names of the receivers with events, in order."""
        ...

    def accepted_since(
        self, moment: datetime, *, receiver: str, account_ids: Collection[str]
    ) -> bool:
        """Whether a webhook for one of these accounts reached *receiver* after *moment*."""
        ...


class Maintenance(Protocol):
    """Maintains the ledger."""

    def prune(
        self,
        *,
        before: datetime,
        limit: int,
        receiver: str | Collection[str] | None = None,
        account_ids: Collection[str] | None = None,
        except_accounts: Collection[str] = (),
    ) -> int:
        """Delete at most *limit* finished messages without an event since *before*.

        :param before: an aware datetime.
        :param receiver: only messages whose events all came to the receiver with this name, or to
            receivers with these names: another may have to keep its messages for longer.
        :param account_ids: only messages of these accounts.
        :param except_accounts: except messages of these accounts.
        :return: how many were deleted; 0 if no more are left, except those in use right now.
        """
        ...

    def erase(
        self,
        *,
        message_id: str | None = None,
        reference: str | None = None,
        account_id: str | None = None,
    ) -> Erased:
        """Delete a person's messages with their events, finished or not; the counts stay.

        As with :meth:`prune`, drift entries no longer name any of them as an example.

        :param message_id: the messages with this id.
        :param reference: those with this ``external_reference_id``, and the sends with it.
        :param account_id: only of this account.
        :raises TypeError: without an id or a reference.
        """
        ...

    @property
    def compacts(self) -> str:
        """What :meth:`compact` does, and what it locks; empty if it does nothing."""
        ...

    def compact(self) -> None:
        """Reclaim the space of deleted rows."""
        ...

    def back_up(self, path: Path, *, tell: Callable[[int, int], None]) -> None:
        """Write a consistent copy of the ledger to a new file, while events are recorded.

        :param tell: called with the amount done, and the total.
        :raises FreshdeskWhatsAppError: if the file exists, or another tool is needed.
        """
        ...

    def check(self) -> list[str]:
        """Return warnings about the ledger.

        :raises LedgerUnavailable: if it cannot be used, with the remedy.
        """
        ...

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Create the ledger's tables or upgrade them, while events are recorded.

        :param to: a revision to stop at, instead of the newest.
        :param tell: called with each step; possibly from another thread.
        :return: what was done; ``None`` if this kind of ledger has no revisions.
        :raises FreshdeskWhatsAppError: if there is no such revision.
        """
        ...
