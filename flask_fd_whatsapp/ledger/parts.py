"""The parts of a ledger that events and the host's questions go to, with a small protocol each.

Those that it is operated with are in :mod:`.operating_parts`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Protocol, Unpack

from .event_filter import EventFilter
from .records import Entry, Policy, Recorded, Unusable
from .views import (
    Event,
    Message,
    Quarantined,
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
