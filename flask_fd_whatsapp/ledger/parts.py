"""The parts of a ledger for recording events and querying them, each with a small protocol.

Those for operating it are in :mod:`.operating_parts`.
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
        """Insert the event unless a duplicate, raise its message's status, claim the message.

        One atomic step; on a durable ledger the event is on disk when this returns. For an event
        that was recorded before, its message is claimed first and the attempt counted after that: a
        process that dies in between costs one lease.
        """
        ...

    def claim(
        self, event_id: Any, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, waiting at most *wait* seconds for its holder.

        Returns ``None`` if there is no such event (any more). A process that dies before the
        attempt is counted costs one lease, as for :meth:`record`.

        :param settled: claim it even if the event is done or dead; that is not an attempt, and
            finishing such a claim does not change the event.
        """
        ...


class Queries(Protocol):
    """Answers the host's queries about messages and events."""

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """Return one message, ``None`` if it is unknown.

        :raises AmbiguousMessage: if several accounts have it and *account_id* is not given.
        """
        ...

    def messages(
        self,
        *,
        external_reference_id: str | None = None,
        message_ids: Collection[str] | None = None,
    ) -> list[Message]:
        """Return the messages that meet all conditions, in the order they were first seen.

        :param external_reference_id: sent with this reference.
        :param message_ids: with one of these ids, in any account; unknown ids are skipped.
        :raises TypeError: without a condition.
        """
        ...

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Return the events that meet all conditions, newest first: see :class:`EventFilter`.

        Newest means the largest id; with ``since``, ``until`` or ``receiver``, a database may order
        by ``received_at``. Clock differences can make these differ slightly.

        :raises TypeError: for an unknown condition.
        """
        ...

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """Return how many messages are at each :class:`Status`, by the furthest each has reached.

        :param since: first seen at or after this (aware datetime).
        :param until: first seen before this (aware datetime).
        """
        ...


class Quarantine(Protocol):
    """Stores bodies that could not be used."""

    def keep(self, unusable: Unusable, *, at_most: int, is_replay: bool = False) -> int:
        """Store a body, or count it again; keep *at_most* ignored and *at_most* other entries.

        :param at_most: the limit per receiver; beyond it the least recently seen are evicted.
        :param is_replay: it was replayed, not received again: its new error is recorded, but
            neither its count nor when it was last seen changes.
        :return: how many entries were evicted.
        """
        ...

    def discard(self, quarantined_id: Any) -> bool:
        """Remove an entry from quarantine; return whether there was one."""
        ...

    def entries(
        self,
        *,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """Return the entries in quarantine, newest first (by when they were first seen).

        :param receiver: what was received by the receiver with this name.
        :param before: entries older than the one with this id: the next page.
        :param after: entries newer than the one with this id (0 for all), oldest first.
        """
        ...

    def body(self, quarantined_id: Any) -> bytes | None:
        """Return the body of an entry, ``None`` if it is not in quarantine (any more)."""
        ...
