"""The slices in which the messages of a period are counted, one statement each.

The messages of a slice are few, of one day or hour, and of the same age as far as the curve tells
ages apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, bindparam, or_, select

from ...engagement.definitions import AGES
from ...engagement.groups import Calendar, Span
from ...engagement.report_filter import ReportFilter
from .dialects.base import Database
from .report_rows import BY_SENT_ON, conditions
from .tables import message

MESSAGES: Final = 32_768
"""The most messages of a slice: they are in memory at once."""

_MICROSECOND: Final = timedelta(microseconds=1)


class Place(NamedTuple):
    """A place among the messages, in the order of when they were sent, then of their keys."""

    moment: datetime
    key: int = 0


_FIRST: Final = Place(datetime.min.replace(tzinfo=UTC))
_LAST: Final = Place(datetime.max.replace(tzinfo=UTC), 2**63 - 1)


class Slice(NamedTuple):
    """The messages from *start* to before *end*.

    :param age: how many of :data:`.AGES` they have reached.
    :param span: their day or hour, if it matters.
    """

    start: Place
    end: Place
    age: int
    span: Span | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for :data:`IN_SLICE`."""
        (start, start_key), (end, end_key) = self.start, self.end
        return {"start": start, "start_key": start_key, "end": end, "end_key": end_key}


_FROM_START: Final = and_(
    message.c.sent_on >= bindparam("start"),
    or_(message.c.sent_on > bindparam("start"), message.c.id >= bindparam("start_key")),
)

IN_SLICE: Final = and_(
    _FROM_START,
    message.c.sent_on <= bindparam("end"),
    or_(message.c.sent_on < bindparam("end"), message.c.id < bindparam("end_key")),
)
"""Whether a message is in a slice."""


def slices(
    database: Database,
    connection: Connection,
    wanted: ReportFilter,
    *,
    as_of: datetime,
    calendar: Calendar | None,
) -> Iterator[Slice]:
    """Cut a period into slices.

    :param calendar: of the days or hours that are to be told apart.
    """
    # Conditions without an index of their own would make it go through the rows themselves.
    only = ReportFilter(until=wanted.until, campaign=wanted.campaign)
    place = [message.c.sent_on, message.c.id]
    query = select(*place).where(_FROM_START, *conditions(only)).order_by(*place).limit(1)
    if wanted.campaign is ...:
        query = database.using(query, message, BY_SENT_ON)
    edges = [as_of - age for age in AGES]
    start = _FIRST if wanted.since is None else Place(wanted.since)
    stop = _LAST if wanted.until is None else Place(wanted.until)
    while True:
        parameters = {"start": start.moment, "start_key": start.key}
        first = connection.execute(query, parameters).one_or_none()
        next_one = connection.execute(query.offset(MESSAGES), parameters).one_or_none()
        if first is None:
            return
        sent_on = first.sent_on
        ends = [stop, *(Place(edge + _MICROSECOND) for edge in edges if edge >= sent_on)]
        if next_one is not None:
            ends.append(Place(*next_one))
        span = None if calendar is None else calendar.span_of(sent_on)
        if span is not None and sent_on < span.end:
            ends.append(Place(span.end))
        start, begin = min(ends), start
        yield Slice(
            start=begin,
            end=start,
            age=sum(as_of - age >= sent_on for age in AGES),
            span=span,
        )
