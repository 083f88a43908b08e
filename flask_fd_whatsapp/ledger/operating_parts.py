"""The parts of a ledger that it is operated with, with a small protocol each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from .views import Backlog, BeingHandled, Erased, Rejection, TokenUse, Upgraded


class LastRejections(Protocol):
    """Knows the last rejection of each receiver and reason."""

    def note(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last of its receiver, reason and ``has_no_header``."""
        ...

    def last(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection of each receiver (or of this one) and reason, newest first.

        :param receiver: with its accounts, whose rejections are kept apart.
        """
        ...

    def acknowledge(self, *, receiver: str | None = None) -> int:
        """Take note of all :meth:`last` ones so far; gives how many nobody had taken note of.

        :param receiver: with its accounts.
        """
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

    def accepted_since(
        self, moment: datetime, *, receiver: str, account_ids: Collection[str]
    ) -> bool:
        """Whether a webhook brought *receiver* an event of one of these accounts after *moment*."""
        ...


class Maintenance(Protocol):
    """Keeps the ledger going."""

    def prune(
        self,
        *,
        before: datetime,
        limit: int,
        receiver: str | Collection[str] | None = None,
        account_ids: Collection[str] | None = None,
        except_accounts: Collection[str] = (),
    ) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param before: an aware datetime.
        :param receiver: only messages all of whose events came to the receiver of this name, or to
            receivers of these names, so that no other loses what it wants to keep for longer.
        :param account_ids: only messages of these accounts.
        :param except_accounts: none of these.
        :return: how many were forgotten; 0 if no more are left, save what is in use right now.
        """
        ...

    def erase(
        self,
        *,
        message_id: str | None = None,
        reference: str | None = None,
        account_id: str | None = None,
    ) -> Erased:
        """Forget a person's messages with their events, finished or not; the counts stay.

        Nor does the drift name any of them as an example, as after :meth:`prune`.

        :param message_id: the messages of this id.
        :param reference: those of this ``external_reference_id``, and what was sent with it.
        :param account_id: of this account alone.
        :raises TypeError: without an id and a reference.
        """
        ...

    @property
    def compacts(self) -> str:
        """What :meth:`compact` does, and whom it locks out meanwhile; empty if it does nothing."""
        ...

    def compact(self) -> None:
        """Give back the space of what was forgotten."""
        ...

    def back_up(self, path: Path, *, tell: Callable[[int, int], None]) -> None:
        """Write the ledger, as it is at one moment, to a new file, while events come in.

        :param tell: is called with how much is done, and of how much.
        :raises FreshdeskWhatsAppError: if the file exists, or there is another tool for that.
        """
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
