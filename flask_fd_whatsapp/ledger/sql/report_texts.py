"""Messages measured slice by slice, for a driver that is slow to read rows: each time of all
messages of a kind as one text.

Messages of a kind reached the same statuses, with the same times estimated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from operator import sub
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, String, case, func

from ...engagement.accumulator import measure
from ...engagement.definitions import KINDS, is_failed
from ...engagement.facts import PLACES, measured_of
from ...engagement.groups import Calendar
from ...engagement.report import TIMELY, Report
from ...engagement.tally import FailureTally, Reason, Tally
from .dialects.base import Database
from .report_kinds import FAILURE_CODE, IS_FAILED, IS_RETURNED, add_kind, column_of, kinds_of
from .report_rows import BY_SENT_ON, conditions
from .report_slices import IN_SLICE, slices
from .tables import message

_TIMES: Final = {
    PLACES[name]: name for name in ("sent_on", "queued_at", "sent_at", "delivered_at", "read_at")
}
"""The times that are measured, by their positions in :class:`.Facts`."""

_ALL: Final = "all_{}"
"""The name of the text of all a kind's times of a column, all in the same order of messages."""

_TIME: Final = 26
"""The length of a time as text."""


def add_measured(database: Database, reports: Sequence[Report], connection: Connection) -> None:
    """Count the messages, and measure their times, in all reports."""
    one = reports[0]  # they differ only in their groups
    names = {each for report in reports for each in report.by}
    calendar = None
    if names.intersection(TIMELY):
        calendar = Calendar("hour" if "hour" in names else "day", one.zone)
    days = Calendar("day", one.zone)
    columns = sorted(names.difference(TIMELY, {"failure"}))
    query = _kinds(database, one, columns)
    for part in slices(database, connection, one.wanted, as_of=one.as_of, calendar=calendar):
        for row in connection.execute(query, part.parameters):
            group: dict[str, Any] = dict(zip(columns, row, strict=False))
            group["failure"] = None
            if is_failed(row.reached):
                group["failure"] = one.counted.reason_of(row.failure_code)
            if part.span is not None:
                group["hour"], group["day"] = part.span.key, days.span_of(part.span.start).key
            for report in reports:
                keys = tuple(group[name] for name in report.by)
                tally = report.counted.tally(keys if len(keys) > 1 else keys[0] if keys else None)
                _add(tally, row, part.age, group["failure"])


def _kinds(database: Database, report: Report, names: Sequence[str]) -> Select[Any]:
    """The kinds of messages in a slice, each beginning with these columns."""
    by = [
        *map(column_of, names),
        IS_RETURNED.label("returned"),
        FAILURE_CODE,
        func.coalesce(message.c.estimated, 0).op("&")(KINDS - 1).label("estimates"),
    ]
    first_failed = func.min(case((IS_FAILED, message.c.failed_at)))
    measures = [
        database.report_time(first_failed).label("first_failed"),
        func.max(case((IS_FAILED, _failure(database)))).label("last_failure"),
        *(
            func.group_concat(database.microseconds(message.c[name])).label(_ALL.format(name))
            for name in _TIMES.values()
        ),
    ]
    wanted = [IN_SLICE, *conditions(replace(report.wanted, since=None, until=None))]
    query = kinds_of(database, report.as_of, wanted, by, *measures)
    if report.wanted.campaign is ...:
        query = database.using(query, message, BY_SENT_ON)
    return query


def _failure(database: Database) -> ColumnElement[str]:
    """When a message failed, when it was sent, and what is told of the last that failed."""
    failed_at, sent_on = map(database.report_time, (message.c.failed_at, message.c.sent_on))
    told = func.json_array(message.c.error_message, message.c.message_id, type_=String)
    return failed_at.concat(sent_on).concat(told)


def _add(tally: Tally, row: Any, age: int, reason: Reason | None) -> None:
    """Count the messages of a kind in a slice, which have reached so many of the curve's ages."""
    if row.returned:
        tally.returned += row.number
        return
    add_kind(tally, row)
    if reason is not None:
        last = row.last_failure
        failures = FailureTally(
            row.number, row.first_failed, last[:_TIME], *json.loads(last[2 * _TIME :])
        )
        tally.failures.setdefault(reason, FailureTally()).merge(failures)
    measured = measured_of(row.reached, row.estimates)
    texts = {place: getattr(row, _ALL.format(_TIMES[place])) for place in measured.places}
    times = {place: json.loads(f"[{text}]") for place, text in texts.items()}
    measure(tally, measured, age, times, _seconds)


def _seconds(starts: Sequence[int], ends: Sequence[int]) -> list[float]:
    return [microseconds / 1_000_000 for microseconds in map(sub, ends, starts)]
