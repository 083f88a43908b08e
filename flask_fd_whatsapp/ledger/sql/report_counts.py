"""Reports without times: what the database counts, and what has to be read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, not_, or_

from ...engagement.groups import Calendar, Span
from ...engagement.report import TIMELY, Report
from .dialects.base import Database
from .report_kinds import (
    IS_FAILED,
    IS_RETURNED,
    add_kind,
    column_of,
    kinds_of,
    kinds_of_narrow_rows,
    spans_of,
)
from .report_rows import by_period, conditions
from .tables import message

MOST_SPANS: Final = 2000
"""The most days or hours that are counted one by one."""

ONE_BY_ONE: Final = or_(IS_FAILED, IS_RETURNED)
"""Messages that failed, of which the last of each reason is shown, or returned: few of all."""

Connect = Callable[[], AbstractContextManager[Connection]]


def add_counts(database: Database, reports: Sequence[Report], connect: Connect) -> bool:
    """Count all but :data:`ONE_BY_ONE` in all reports; false if they span too many days or hours.

    :param connect: returns the connection for each statement.
    """
    one = reports[0]  # they differ only in their groups
    names = {each for report in reports for each in report.by} - {"failure"}
    wanted = [*conditions(one.wanted), message.c.sent_on.is_not(None)]
    spans: list[Span] = []
    if database.reports_by_page or names.intersection(TIMELY):
        calendar = Calendar("hour" if "hour" in names else "day", one.zone)
        with connect() as connection:
            found = spans_of(connection, calendar, wanted, MOST_SPANS)
        if found is None:
            return False
        spans = found
    days = Calendar("day", one.zone)
    columns = [column_of(name) for name in sorted(names.difference(TIMELY))]
    for row, span in _rows(database, one, [*wanted, not_(ONE_BY_ONE)], columns, spans, connect):
        key = {
            **row._mapping,
            "failure": None,
            "hour": span and span.key,
            "day": span and days.span_of(span.start).key,
        }
        for report in reports:
            keys = tuple(key[name] for name in report.by)
            tally = report.counted.tally(keys if len(keys) > 1 else keys[0] if keys else None)
            add_kind(tally, row)
    return True


def _rows(
    database: Database,
    report: Report,
    wanted: Sequence[ColumnElement[bool]],
    columns: Sequence[ColumnElement[Any]],
    spans: Sequence[Span],
    connect: Connect,
) -> Iterator[tuple[Any, Span | None]]:
    """The kinds of messages, each with its day or hour if there are any."""
    if database.reports_by_page:
        one = [message.c.sent_on >= bindparam("start"), message.c.sent_on < bindparam("end")]
        # SQLite would go from the beginning of the period to the span, if told both.
        asked = replace(report.wanted, since=None, until=None)
        one += [*conditions(asked), not_(ONE_BY_ONE)]
        of_span = kinds_of_narrow_rows(database, report.as_of, one, columns)
        for span in spans:
            start = max(span.start, report.wanted.since or span.start)
            end = min(span.end, report.wanted.until or span.end)
            with connect() as connection:
                for row in connection.execute(of_span, {"start": start, "end": end}):
                    yield row, span
        return
    if spans:
        starts = [span.start for span in spans]
        columns = [*columns, database.place_among(message.c.sent_on, starts).label("place")]
    query = by_period(database, kinds_of(database, report.as_of, wanted, columns), report.wanted)
    with connect() as connection:
        for row in connection.execute(query):
            yield row, spans[row.place - 1] if spans else None
