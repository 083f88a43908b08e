"""A report counted by PostgreSQL: how many messages of each kind, and how long they took.

Messages of a kind reached the same statuses, with the same times estimated; the accumulator
keeps the definitions.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    DateTime,
    Float,
    Interval,
    LargeBinary,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    select,
)

from ...engagement.definitions import (
    AGES,
    DELIVERED,
    FAILED,
    KINDS,
    OTHER,
    QUEUED,
    READ,
    SENT,
    WAYS,
    YOUNG,
)
from ...engagement.elapsed import AGE_SECONDS
from ...engagement.facts import measured_of
from ...engagement.groups import Calendar
from ...engagement.report import Report
from ...engagement.tally import BINS, FailureTally, Tally
from .report_rows import conditions, is_heard
from .tables import message

MOST_SPANS: Final = 20_000
"""The most days or hours whose starts are passed to the database."""

_TIME_OF: Final = {
    QUEUED: message.c.queued_at,
    SENT: message.c.sent_at,
    FAILED: message.c.failed_at,
    DELIVERED: message.c.delivered_at,
    READ: message.c.read_at,
}
_MICROSECOND: Final = literal(timedelta.resolution, Interval())
_IS_RETURNED: Final = func.coalesce(message.c.is_returned, false())
_IS_FAILED: Final = and_(
    message.c.failed_at.is_not(None),
    message.c.delivered_at.is_(None),
    message.c.read_at.is_(None),
)

Key = Callable[[Any], Any]
"""Extracts its part of a group's key from a row."""


def add_aggregated(connection: Connection, report: Report) -> bool:
    """Count the report's messages; return false if they span too many days or hours."""
    wanted = [*conditions(report.wanted), message.c.sent_on.is_not(None)]
    columns: list[ColumnElement[Any]] = []
    keys: list[Key] = []
    for one in report.by:
        spans = _spans(connection, report, one, wanted) if one in ("day", "hour") else []
        if spans is None:
            return False
        dimension, key = _dimension(report, one, spans)
        columns += dimension
        keys.append(key)
    for row in connection.execute(_kinds(report, columns, wanted)):
        _add(report.counted.tally(_key_of(row, keys)), row, times=report.times)
    for row in connection.execute(_failures(columns, wanted)):
        reason = report.counted.reason_of(row.error_code)
        report.counted.tally(_key_of(row, keys)).failures[reason] = FailureTally(
            row.number, row.first, row.failed_at, row.error_message, row.message_id
        )
    return True


def _key_of(row: Any, keys: Sequence[Key]) -> Any:
    parts = tuple(key(row) for key in keys)
    return parts if len(parts) > 1 else parts[0] if parts else None


def _spans(
    connection: Connection, report: Report, unit: str, wanted: Sequence[ColumnElement[bool]]
) -> list[tuple[datetime, Any]] | None:
    """When each day or hour begins, with its key; ``None`` if there are too many."""
    of_all = select(func.min(message.c.sent_on), func.max(message.c.sent_on)).where(*wanted)
    moment, last = connection.execute(of_all).one()
    calendar = Calendar(unit, report.zone)
    spans: list[tuple[datetime, Any]] = []
    while moment is not None and moment <= last:
        if len(spans) == MOST_SPANS:
            return None
        span = calendar.span_of(moment)
        spans.append((span.start, span.key))
        moment = span.end
    return spans


def _dimension(
    report: Report, name: str, spans: Sequence[tuple[datetime, Any]]
) -> tuple[list[ColumnElement[Any]], Key]:
    """The columns of a dimension, and a function that makes a key of them."""
    if name == "failure":
        code = case((_IS_FAILED, message.c.error_code))
        reason_of = report.counted.reason_of
        return [_IS_FAILED.label("is_failed"), code.label("failure_code")], (
            lambda row: reason_of(row.failure_code) if row.is_failed else None
        )
    if name in ("day", "hour"):
        starts = cast([start for start, _ in spans], ARRAY(DateTime(timezone=True)))
        place = func.width_bucket(message.c.sent_on, starts).label(name)
        return [place], lambda row: spans[getattr(row, name) - 1][1]
    column = message.c.account_id if name == "account" else message.c[name]
    return [column.label(name)], lambda row: getattr(row, name)


def _kinds(
    report: Report, dimensions: Sequence[ColumnElement[Any]], wanted: Sequence[ColumnElement[bool]]
) -> Any:
    """The number of messages of each kind, and how long they took."""
    reached: ColumnElement[int] = sum(
        (case((column.is_not(None), bit), else_=0) for bit, column in _TIME_OF.items()),
        start=literal(0),
    )
    kinds = [
        *(column.label(column.name) for column in dimensions),
        reached.label("reached"),
        is_heard().label("is_heard"),
        func.coalesce(message.c.estimated, 0).op("&")(KINDS - 1).label("estimated"),
        _IS_RETURNED.label("is_returned"),
        *(_in_curve(report.as_of) if report.times else ()),
    ]
    each = select(*kinds, message.c.sent_on, *(_seconds() if report.times else ())).where(*wanted)
    of = each.subquery("of")
    by = [of.c[column.name] for column in kinds]
    return select(
        *by,
        func.count().label("number"),
        func.count().filter(of.c.sent_on > report.as_of - YOUNG).label("young"),
        func.min(of.c.sent_on).label("first_sent"),
        func.max(of.c.sent_on).label("last_sent"),
        *(_together(of.c[way.name]) for way in WAYS if report.times),
    ).group_by(*by)


def _in_curve(as_of: datetime) -> Iterator[ColumnElement[Any]]:
    """In how many ages of the curve each message counts, as in the accumulator."""
    since = cast([as_of - age for age in reversed(AGES)], ARRAY(DateTime(timezone=True)))
    ages = cast([float(age) for age in AGE_SECONDS], ARRAY(Float(53)))
    yield (len(AGES) - func.width_bucket(message.c.sent_on - _MICROSECOND, since)).label("age")
    arrived = func.coalesce(message.c.delivered_at, message.c.read_at)
    for name, moment in (("delivered", arrived), ("read", message.c.read_at)):
        took = func.date_part("epoch", moment - message.c.sent_on - _MICROSECOND)
        yield func.coalesce(func.width_bucket(took, ages), len(AGES)).label(name)


def _seconds() -> Iterator[ColumnElement[Any]]:
    """How long each step took, equal to :meth:`timedelta.total_seconds`.

    PostgreSQL adds days and the remainder as floats, whose sum may miss the nearest float: that
    microsecond can change a percentile.
    """
    for way in WAYS:
        took = func.date_part("epoch", _TIME_OF[way.end] - _TIME_OF[way.start])
        yield (func.round(took * 1e6) / 1e6).label(way.name)


def _together(seconds: ColumnElement[Any]) -> ColumnElement[Any]:
    """All values as bytes: a million rows of numbers would take seconds to read."""
    together = func.string_agg(func.float8send(seconds), cast(b"", LargeBinary), type_=LargeBinary)
    return together.label(seconds.key)


def _failures(
    dimensions: Sequence[ColumnElement[Any]], wanted: Sequence[ColumnElement[bool]]
) -> Any:
    """How many failed for each reason, with the last of each."""
    failed = (
        select(
            *dimensions,
            message.c.error_code,
            message.c.failed_at,
            message.c.error_message,
            message.c.message_id,
            message.c.sent_on,
            message.c.id,
        )
        .where(*wanted, _IS_FAILED, ~_IS_RETURNED)
        .subquery("failed")
    )
    together = [*(failed.c[column.name] for column in dimensions), failed.c.error_code]
    last_first = [failed.c[one].desc() for one in ("failed_at", "sent_on", "id")]
    ranked = select(
        failed,
        func.count().over(partition_by=together).label("number"),
        func.min(failed.c.failed_at).over(partition_by=together).label("first"),
        func.row_number().over(partition_by=together, order_by=last_first).label("place"),
    ).subquery("ranked")
    return select(ranked).where(ranked.c.place == 1)


def _add(tally: Tally, row: Any, *, times: bool) -> None:
    """Count messages of a kind."""
    if row.is_returned:
        tally.returned += row.number
        return
    reached = row.reached if row.reached or not row.is_heard else OTHER
    tally.kinds[reached] += row.number
    tally.young += row.young
    if tally.first_sent is None or row.first_sent < tally.first_sent:
        tally.first_sent = row.first_sent
    if tally.last_sent is None or row.last_sent > tally.last_sent:
        tally.last_sent = row.last_sent
    if times:
        _measure(tally, row, reached)


def _measure(tally: Tally, row: Any, reached: int) -> None:
    measured = measured_of(reached, row.estimated)
    for way, _, _ in measured.ways:
        tally.elapsed[way].add_all(_numbers(getattr(row, WAYS[way].name)))
    for way in measured.left_out:
        tally.elapsed[way].left_out += row.number
    if measured.is_left_out_of_curve:
        tally.left_out[row.age] += row.number
    elif measured.is_submitted:
        tally.delivered_cells[row.age * BINS + row.delivered] += row.number
        tally.read_cells[row.age * BINS + row.read] += row.number


def _numbers(together: bytes) -> array[float]:
    numbers = array("d", together)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
