"""The host's queries, in a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Unpack

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select

from ...events import DeliveryError, Status, is_ahead
from ...exceptions import AmbiguousMessage
from ..asking import ESTIMATED_BITS
from ..event_filter import EventFilter, given, require_condition
from ..references import is_storable, storable
from ..views import PLAIN, Event, Message, State
from .dialects.base import CLOCKS_DIFFER
from .event_pages import has_reference, page_of_events
from .prepared import PreparedDatabase
from .tables import TIME_COLUMNS, event, message

IDS: Final = 1000
"""How many ids to pass per statement at most: databases limit the number of parameters."""

_TIMES: Final = {status: message.c[column] for status, column in TIME_COLUMNS.items()}


def is_free(now: Any) -> ColumnElement[bool]:
    """Whether nobody is handling a message."""
    is_over: ColumnElement[bool] = message.c.claim_until <= now
    if isinstance(now, datetime):
        # By the caller's clock: a claim in its future was made by a clock that ran ahead.
        is_over |= func.coalesce(message.c.claimed_at, now) > now + CLOCKS_DIFFER
    return message.c.claim_token.is_(None) | is_over


def distinct(connection: Connection, column: ColumnElement[str]) -> Iterator[str]:
    """Yield the values of a column that an index begins with, in order.

    One by one, each with a single index lookup, however many rows there are.
    """
    following = select(func.min(column))
    value = connection.scalar(following)
    while value is not None:
        yield value
        value = connection.scalar(following.where(column > value))


class SQLQueries:
    """Answers hosts' queries about their messages, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown."""
        if not (is_storable(message_id) and is_storable(account_id)):
            return None
        query = select(message).where(message.c.message_id == message_id)
        if account_id is not None:
            query = query.where(message.c.account_id == account_id)
        found = self._messages(query.limit(2))
        if len(found) > 1:
            raise AmbiguousMessage.of(message_id, found[0].account_id)
        return found[0] if found else None

    def messages(
        self,
        *,
        external_reference_id: str | None = None,
        message_ids: Collection[str] | None = None,
    ) -> list[Message]:
        """The messages that meet every condition given, in the order they were first seen."""
        require_condition(external_reference_id, message_ids)
        query = select(message)
        if external_reference_id is not None:
            query = query.where(has_reference(external_reference_id))
        if message_ids is None:
            return self._messages(query.order_by(message.c.id))
        known = sorted({one for one in message_ids if is_storable(one)})
        found: list[tuple[int, Message]] = []
        for start in range(0, len(known), IDS):
            ids = known[start : start + IDS]
            found += self._by_key(query.where(message.c.message_id.in_(ids)))
        return [one for _, one in sorted(found, key=itemgetter(0))]

    def _messages(self, query: Select[Any]) -> list[Message]:
        return [one for _, one in self._by_key(query)]

    def _by_key(self, query: Select[Any]) -> list[tuple[int, Message]]:
        """The messages with their keys, in the order of *query*."""
        with self._prepared.database.querying() as connection:
            rows = connection.execute(query).mappings().all()
            unknown = unknown_times(connection, [row["id"] for row in rows])
        return [(row["id"], view_of_message(row, unknown[row["id"]])) for row in rows]

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Events that meet every condition given, newest first."""
        conditions = given(wanted)
        with self._prepared.database.querying(patiently=True) as connection:
            rows = page_of_events(connection, conditions, self._prepared.database)
        return [_event(row) for row in rows]

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """How many messages have each status."""
        query = select(message.c.status, func.count()).group_by(message.c.status)
        query = query.where(message.c.status.is_not(None))
        if since is not None:
            query = query.where(message.c.first_seen >= since)
        if until is not None:
            query = query.where(message.c.first_seen < until)
        if campaign is not None:
            query = query.where(message.c.campaign == storable(campaign))
        with self._prepared.database.querying(patiently=True) as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {status: found.get(status, 0) for status in Status}


def _event(row: RowMapping) -> Event:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    furthest = values.pop("furthest")
    state, is_superseded = State(row["state"]), is_ahead(furthest, of=row["status"])
    return Event(**{**values, "state": state, "is_superseded": is_superseded})


def unknown_times(
    connection: Connection, keys: Collection[int]
) -> defaultdict[int, dict[str, datetime]]:
    """When each message reached which undocumented statuses."""
    unknown: defaultdict[int, dict[str, datetime]] = defaultdict(dict)
    if keys:
        others = select(event.c.message_key, event.c.status, event.c.timestamp).where(
            event.c.message_key.in_(keys), event.c.status.not_in(list(_TIMES))
        )
        for key, status, moment in connection.execute(others):
            unknown[key][status] = moment
    return unknown


def view_of_message(row: RowMapping, unknown: Mapping[str, datetime]) -> Message:
    """A message's row as queries return it, with the times of undocumented statuses."""
    times: dict[str, datetime] = {
        status: row[column] for status, column in _TIMES.items() if row[column]
    }
    has_failed = row["error_code"] is not None or row["error_message"] is not None
    return Message(
        **{name: row[name] for name in PLAIN},
        status=Status(row["status"]) if row["status"] else None,
        external_reference_id=row["reference_text"] or row["external_reference_id"],
        times={**times, **unknown},
        error=DeliveryError(row["error_code"], row["error_message"]) if has_failed else None,
        estimated=frozenset(
            status for status, bit in ESTIMATED_BITS.items() if (row["estimated"] or 0) & bit
        ),
    )
