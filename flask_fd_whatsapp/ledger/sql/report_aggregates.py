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
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Float,
    Interval,
    LargeBinary,
    Select,
    any_,
    cast,
    func,
    literal,
    select,
)

from ...engagement.definitions import AGES, KINDS, WAYS, is_failed
from ...engagement.elapsed import AGE_SECONDS
from ...engagement.facts import measured_of
from ...engagement.groups import Calendar, Span
from ...engagement.report import TIMELY, Report
from ...engagement.tally import BINS, FailureTally, Tally
from .dialects.base import Database
from .report_kinds import (
    FAILURE_CODE,
    IS_FAILED,
    IS_RETURNED,
    TIME_OF,
    add_kind,
    column_of,
    kinds_of,
    spans_of,
)
from .report_rows import conditions
from .tables import message

MOST_SPANS: Final = 20_000
"""The most days or hours whose starts are passed to the database."""

_MICROSECOND: Final = literal(timedelta.resolution, Interval())

Key = Callable[[Any], Any]
"""Extracts its part of a group's key from a row."""


def add_aggregated(database: Database, connection: Connection, report: Report) -> bool:
    """Count the report's messages; return false if they span too many days or hours."""
    wanted = [*conditions(report.wanted), message.c.sent_on.is_not(None)]
    columns: list[ColumnElement[Any]] = []
    keys: list[Key] = []
    for one in report.by:
        spans: list[Span] | None = []
        if one in TIMELY:
            spans = spans_of(connection, Calendar(one, report.zone), wanted, MOST_SPANS)
        if spans is None:
            return False
        dimension, key = _dimension(database, report, one, spans)
        columns += dimension
        keys.append(key)
    for row in connection.execute(_kinds(database, report, columns, wanted)):
        tally = report.counted.tally(_key_of(row, keys))
        if row.returned:
            tally.returned += row.number
            continue
        add_kind(tally, row)
        if is_failed(row.reached):
            reason = report.counted.reason_of(row.failure_code)
            failures = FailureTally(row.number, row.first_failed, row.last_failure)
            tally.failures.setdefault(reason, FailureTally()).merge(failures)
        if report.times:
            _measure(tally, row)
    _look_up_failures(connection, report)
    return True


def _key_of(row: Any, keys: Sequence[Key]) -> Any:
    parts = tuple(key(row) for key in keys)
    return parts if len(parts) > 1 else parts[0] if parts else None


def _dimension(
    database: Database, report: Report, name: str, spans: Sequence[Span]
) -> tuple[list[ColumnElement[Any]], Key]:
    """The columns of a dimension, and a function that makes a key of them."""
    if name == "failure":
        reason_of = report.counted.reason_of
        return [], lambda row: reason_of(row.failure_code) if is_failed(row.reached) else None
    if name in TIMELY:
        place = database.place_among(message.c.sent_on, [span.start for span in spans])
        return [place.label(name)], lambda row: spans[getattr(row, name) - 1].key
    return [column_of(name)], lambda row: getattr(row, name)


def _kinds(
    database: Database,
    report: Report,
    dimensions: Sequence[ColumnElement[Any]],
    wanted: Sequence[ColumnElement[bool]],
) -> Select[Any]:
    """The number of messages of each kind, and how long they took."""
    by = [*dimensions, IS_RETURNED.label("returned"), FAILURE_CODE]
    if not report.times:
        return kinds_of(database, report.as_of, wanted, by, *_failures(database))
    estimated = func.coalesce(message.c.estimated, 0).op("&")(KINDS - 1)
    by += [estimated.label("estimates"), *_in_curve(report.as_of)]
    return kinds_of(database, report.as_of, wanted, by, *_failures(database), *_together())


def _in_curve(as_of: datetime) -> Iterator[ColumnElement[Any]]:
    """In how many ages of the curve each message counts, as in the accumulator."""
    since = cast([as_of - age for age in reversed(AGES)], ARRAY(DateTime(timezone=True)))
    ages = cast([float(age) for age in AGE_SECONDS], ARRAY(Float(53)))
    yield (len(AGES) - func.width_bucket(message.c.sent_on - _MICROSECOND, since)).label("age")
    arrived = func.coalesce(message.c.delivered_at, message.c.read_at)
    for name, moment in (("delivered", arrived), ("read", message.c.read_at)):
        took = func.date_part("epoch", moment - message.c.sent_on - _MICROSECOND)
        yield func.coalesce(func.width_bucket(took, ages), len(AGES)).label(name)


def _together() -> Iterator[ColumnElement[Any]]:
    """How long each step took, as bytes: a million rows of numbers would take seconds to read.

    They equal :meth:`timedelta.total_seconds`: PostgreSQL adds days and the remainder as floats,
    whose sum may miss the nearest float, and that microsecond can change a percentile.
    """
    for way in WAYS:
        took = func.date_part("epoch", TIME_OF[way.end] - TIME_OF[way.start])
        seconds = func.float8send(func.round(took * 1e6) / 1e6)
        yield func.string_agg(seconds, cast(b"", LargeBinary), type_=LargeBinary).label(way.name)


def _failures(database: Database) -> Iterator[ColumnElement[Any]]:
    """When the first message failed; and when the last failed and was sent, and its key."""
    moments = (message.c.failed_at, message.c.sent_on)
    seconds = (func.date_part("epoch", moment) for moment in moments)
    last = database.array_of(*seconds, message.c.id)
    yield func.min(message.c.failed_at).filter(IS_FAILED).label("first_failed")
    yield func.max(last).filter(IS_FAILED).label("last_failure")


def _look_up_failures(connection: Connection, report: Report) -> None:
    """Look up what is told of the last failures, each given as by :func:`_failures`."""
    tallies = report.counted.groups.values()
    last_of = {
        int(failures.last[-1]): failures
        for tally in tallies
        for failures in tally.failures.values()
    }
    told = (message.c.id, message.c.failed_at, message.c.error_message, message.c.message_id)
    query = select(*told).where(message.c.id == any_(cast([*last_of], ARRAY(BigInteger))))
    for key, *last in connection.execute(query):
        failures = last_of[key]
        failures.last, failures.text, failures.example = last


def _measure(tally: Tally, row: Any) -> None:
    measured = measured_of(row.reached, row.estimates)
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
