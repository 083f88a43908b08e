"""Finds a page of events in a database, by keyset pagination on the index that fits best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    case,
    false,
    func,
    or_,
    select,
)

from ...events import WEBHOOK
from ..references import KeptReference, is_storable, storable
from ..views import State
from .dialects.base import Database
from .tables import event, handling, message

STRETCH: Final = 50
"""How many events to scan for each one asked for, before another plan is tried."""

_OF_FEW: Final = {"message_id", "external_reference_id"}
_OF_MESSAGES: Final = {"account_id", "campaign", "message_id", "external_reference_id"}

_STATES: Final[Mapping[State, ColumnElement[bool]]] = {
    State.PENDING: event.c.due_at.is_not(None),
    State.DEAD: event.c.dead_at.is_not(None),
    State.DONE: event.c.due_at.is_(None) & event.c.dead_at.is_(None),
}

_EQUAL: Final[Mapping[str, ColumnElement[str | None]]] = {
    "status": event.c.status,
    "account_id": message.c.account_id,
    "message_id": message.c.message_id,
}

_REFERENCE: Final = func.coalesce(message.c.reference_text, message.c.external_reference_id)

_EVENTS: Final = select(
    event.c.id,
    message.c.account_id,
    message.c.message_id,
    event.c.status,
    event.c.timestamp,
    event.c.received_at,
    event.c.receiver,
    event.c.is_stale,
    event.c.attempts,
    func.coalesce(event.c.postponed, 0).label("postponed"),
    func.coalesce(event.c.source, WEBHOOK).label("source"),
    event.c.last_error,
    event.c.due_at,
    _REFERENCE.label("external_reference_id"),
    message.c.campaign,
    message.c.status.label("furthest"),
    case(
        (_STATES[State.PENDING], State.PENDING.value),
        (_STATES[State.DEAD], State.DEAD.value),
        else_=State.DONE.value,
    ).label("state"),
).join_from(event, message)


def page_of_events(
    connection: Connection, conditions: Mapping[str, Any], database: Database
) -> Sequence[RowMapping]:
    """The events that meet *conditions*, at most ``limit``, in order.

    Any query should read few rows for a page, even in a ledger with a million events:

    - one message's events, and pending or dead ones, are few: found by index, then sorted;
    - events of a campaign, an account or a status may be many, or all far from the page: those
      next to the page's start are scanned first; if they do not fill it, an index finds the ids
      of all matches, and these are sorted;
    - times and receivers have a sorted index: the page is then in the order of ``received_at``.
    """
    are_few = conditions.keys() & _OF_FEW or conditions.get("state", State.DONE) is not State.DONE
    are_apart = not are_few and "campaign" in conditions
    if not (are_few or are_apart):
        if conditions.keys() & {"since", "until"}:
            return _by_time(connection, conditions, database)
        are_apart = bool(conditions.keys() & {"account_id", "status"})
        if not are_apart and "receiver" in conditions:
            return _by_time(connection, conditions, database)
    if are_apart:
        rows = _in_stretch(connection, conditions, database)
        if len(rows) >= conditions["limit"]:
            return rows
    place = event.c.id + 0 if are_few or are_apart else event.c.id
    query = _ids(conditions).where(*_met(conditions, place, database))
    return _page(connection, conditions, query, [place])


def _in_stretch(
    connection: Connection, conditions: Mapping[str, Any], database: Database
) -> Sequence[RowMapping]:
    """The matches among the events next to where the page begins, by id."""
    reach = STRETCH * conditions["limit"]
    if "after" in conditions:
        first = select(func.min(event.c.id)).where(event.c.id > conditions["after"])
        edge = connection.scalar(first) or 0
        is_near = event.c.id <= edge + reach
    else:
        last = select(func.max(event.c.id))
        if "before" in conditions:
            last = last.where(event.c.id < conditions["before"])
        edge = connection.scalar(last) or 0
        is_near = event.c.id >= edge - reach
    met = _met(conditions, event.c.id, database)
    # No index that begins with one of these should be used.
    met = map(database.unselective, met)
    return _page(connection, conditions, _ids(conditions).where(is_near, *met), [event.c.id])


def _by_time(
    connection: Connection, conditions: Mapping[str, Any], database: Database
) -> Sequence[RowMapping]:
    """The matches by ``received_at``, whose order differs slightly from that of ids (clocks)."""
    rest = dict(conditions)
    query = _ids(conditions)
    for name, bound in (("before", "until"), ("after", "since")):
        if name in rest:
            event_id, is_after = rest.pop(name), name == "after"
            by_id = event.c.id > event_id if is_after else event.c.id < event_id
            its = select(event.c.received_at).where(event.c.id == event_id)
            moment = connection.scalar(its)
            if moment is None:  # pruned by now
                query = query.where(by_id)
                continue
            query = query.where(_is_beyond(moment, by_id, is_after=is_after))
            if bound in rest and (moment >= rest[bound]) is is_after:
                del rest[bound]  # given two bounds, a database may use only the wider one
    receiver = rest.pop("receiver", None)
    if receiver is not None:
        query = query.where(event.c.receiver == receiver if is_storable(receiver) else false())
    query = query.where(*_met(rest, event.c.id, database))
    return _page(connection, conditions, query, [event.c.received_at, event.c.id])


def _is_beyond(
    moment: datetime, by_id: ColumnElement[bool], *, is_after: bool
) -> ColumnElement[bool]:
    """Whether an event comes before, or after, one of that moment in order of time."""
    received_at = event.c.received_at
    if is_after:
        return and_(received_at >= moment, or_(received_at > moment, by_id))
    return and_(received_at <= moment, or_(received_at < moment, by_id))


def _ids(conditions: Mapping[str, Any]) -> Select[Any]:
    """Only the ids, which indexes contain, and without a join where none is needed."""
    query = select(event.c.id)
    if conditions.keys() & _OF_MESSAGES:
        query = query.join_from(event, message)
    return query


def _page(
    connection: Connection,
    conditions: Mapping[str, Any],
    query: Select[Any],
    order: Sequence[ColumnElement[Any]],
) -> Sequence[RowMapping]:
    """The rows of the first ids that *query* finds in *order*, or in reverse."""
    is_forward = "after" in conditions
    query = query.order_by(*(place if is_forward else place.desc() for place in order))
    page = query.limit(conditions["limit"]).subquery("page")
    rows = _EVENTS.join(page, page.c.id == event.c.id)
    rows = rows.order_by(*(place if is_forward else place.desc() for place in order))
    return connection.execute(rows).mappings().all()


def came_to(receiver: str, table: Table, database: Database) -> ColumnElement[bool]:
    """Whether a row of *table* came to *receiver*, where another condition is more selective.

    SQLite keeps no statistics, and would prefer an index that begins with the receiver, although
    there are few receivers.
    """
    condition: ColumnElement[bool] = table.c.receiver == receiver
    return database.unselective(condition)


def has_reference(reference: str) -> ColumnElement[bool]:
    """Whether a message was sent with *reference*, of any length."""
    key, text = KeptReference.of(reference)
    return (message.c.external_reference_id == key) & (message.c.reference_text == text)


def _told_by(source: str) -> ColumnElement[bool]:
    """Whether an event came from *source*; the webhook is stored as NULL."""
    told = event.c.source
    return told.is_(None) if source == WEBHOOK else told.is_not(None) & (told == source)


def _not_done_by(handler: str) -> ColumnElement[bool]:
    """Whether a handler has neither succeeded nor been superseded."""
    is_done = (handling.c.event_id == event.c.id) & (handling.c.handler == storable(handler))
    is_done &= handling.c.gave_up.is_not(True)
    return ~select(handling.c.handler).where(is_done).exists()


_MET: Final[Mapping[str, Callable[[Any], ColumnElement[bool]]]] = {
    "campaign": lambda campaign: message.c.campaign == storable(campaign),
    "external_reference_id": has_reference,
    "state": lambda state: _STATES[state],
    "source": _told_by,
    "unhandled_by": _not_done_by,
    "since": lambda since: event.c.received_at >= since,
    "until": lambda until: event.c.received_at < until,
}


def _met(
    conditions: Mapping[str, Any], place: ColumnElement[int], database: Database
) -> Iterator[ColumnElement[bool]]:
    """The *conditions* in SQL.

    :param place: the event's id, by which the result is ordered.
    """
    for name, value in conditions.items():
        if name in _MET:
            yield _MET[name](value)
        elif name in _EQUAL:
            yield _EQUAL[name] == value if is_storable(value) else false()
        elif name == "receiver":
            yield came_to(value, event, database) if is_storable(value) else false()
        elif name == "before":
            yield place < value
        elif name == "after":
            yield place > value
