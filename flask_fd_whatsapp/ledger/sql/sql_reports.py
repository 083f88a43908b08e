"""Reports on statuses, from a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, func, or_, select, update

from ...engagement import Engagement, Feed
from ...engagement.elapsed import Elapsed
from ...engagement.report import Report, ReportRules
from ...engagement.report_filter import ReportFilter
from ..references import storable
from .dialects.base import Database
from .event_pages import came_to
from .prepared import PreparedDatabase
from .queries import distinct
from .report_aggregates import add_aggregated
from .report_counts import ONE_BY_ONE, add_counts
from .report_rows import (
    PAGE,
    by_period,
    conditions,
    facts_of,
    fill_sent_on,
    folded_of,
    key_of,
    pages_of_facts,
)
from .report_texts import add_measured
from .tables import aggregate, duplicate, event, message


class SQLReports:
    """Reports on statuses, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared
        self.rules = ReportRules()

    def catch_up(self) -> None:
        """Fill in ``sent_on`` of messages recorded by a process of the previous version."""
        fill_sent_on(self._prepared.database)

    def breakdowns(
        self,
        wanted: ReportFilter,
        *,
        by: Sequence[str | Sequence[str] | None],
        tz: str,
        times: bool,
    ) -> list[Engagement]:
        """What became of the messages that were sent in a period, grouped in several ways."""
        database = self._prepared.database
        as_of = datetime.now(UTC)

        def begun() -> list[Report]:
            return [
                Report(
                    wanted,
                    by=one,
                    tz=tz,
                    times=times,
                    as_of=as_of,
                    rules=self.rules,
                    format=database.report_times,
                )
                for one in by
            ]

        begun()  # an invalid request fails before any query
        reports = database.retried(lambda: _read(database, wanted, begun))
        return [report.result() for report in reports]

    def accounts(self, receiver: str | None) -> list[str]:
        """The accounts with messages, pruned ones included, in order."""
        of_messages = select(message.c.account_id).distinct()
        of_messages = of_messages.where(message.c.receiver == storable(receiver))
        of_pruned = select(aggregate.c.account).distinct()
        if receiver is not None:
            of_pruned = of_pruned.where(aggregate.c.receiver == storable(receiver))
        with self._prepared.database.querying(patiently=True) as connection:
            if receiver is None:
                found = {*distinct(connection, message.c.account_id)}
            else:
                found = {*connection.scalars(of_messages)}
            return sorted({*found, *connection.scalars(of_pruned)})

    def feed(self, wanted: ReportFilter) -> Feed:
        """How webhooks arrived in a period, by when they were received."""
        assert wanted.since is not None
        return _feed(self._prepared.database, wanted.since, wanted)

    def count_duplicates(self, receiver: str, hour: datetime, count: int) -> None:
        """Count duplicate events in an hour."""
        database = self._prepared.database
        key = {"receiver": receiver, "hour": hour}
        add = (
            update(duplicate)
            .where(duplicate.c.receiver == receiver, duplicate.c.hour == hour)
            .values(count=duplicate.c.count + count)
        )
        with database.writing() as connection:
            connection.execute(
                database.upsert(duplicate, key, {"count": 0}, {"receiver": receiver})
            )
            connection.execute(add)


def _read(
    database: Database, wanted: ReportFilter, begun: Callable[[], list[Report]]
) -> list[Report]:
    """The requested reports, all from one snapshot."""
    reports = begun()
    # Without times it takes two passes, between which a message must not change sides.
    if database.reports_by_page and reports[0].times:
        with database.querying() as connection:
            before = database.folds(connection)
        _add_messages(database, reports, database.querying)
        with database.querying() as connection:
            _add_folded(connection, wanted, reports)
            if database.folds(connection) == before:
                return reports
        # Messages pruned meanwhile may have been counted twice, or not at all.
        reports = begun()
    with database.snapshot() as connection:
        if database.measures_in_texts and reports[0].times:
            add_measured(database, reports, connection)
            _add_folded(connection, wanted, reports)
            return reports
        aggregates = database.aggregates_reports
        remaining = [
            one for one in reports if not (aggregates and add_aggregated(database, connection, one))
        ]
        if remaining:
            _add_messages(database, remaining, lambda: nullcontext(connection))
        _add_folded(connection, wanted, reports)
    return reports


def _add_messages(
    database: Database,
    reports: Sequence[Report],
    connect: Callable[[], AbstractContextManager[Connection]],
) -> None:
    """Read the messages once, and count them in every report."""
    one = reports[0]  # they differ only in their groups
    wanted = [*conditions(replace(one.wanted, since=None))]
    if not one.times and add_counts(database, reports, connect):
        wanted.append(ONE_BY_ONE)
    facts = facts_of(database, {each for report in reports for each in report.by}, times=one.times)
    query = by_period(database, select(*facts, message.c.id).where(*wanted), one.wanted)
    for rows in pages_of_facts(database, connect, query, one.wanted.since):
        for report in reports:
            report.add(rows)


def _add_folded(connection: Connection, wanted: ReportFilter, reports: Sequence[Report]) -> None:
    for row in connection.execute(folded_of(wanted)):
        for report in reports:
            report.add_folded(key_of(row), row.counts, row.figures)


def _feed(database: Database, since: datetime, wanted: ReportFilter) -> Feed:
    its = [event.c.source.is_(None), event.c.received_at >= since]
    hours = [duplicate.c.hour >= since]
    if wanted.until is not None:
        its.append(event.c.received_at < wanted.until)
        hours.append(duplicate.c.hour < wanted.until)
    if wanted.receiver is not None:
        its.append(came_to(wanted.receiver, event, database))
        hours.append(duplicate.c.receiver == wanted.receiver)
    at, read = database.report_time, database.report_times.read
    query = (
        select(at(event.c.timestamp), at(event.c.received_at), event.c.is_stale, event.c.id)
        .where(*its)
        .order_by(event.c.received_at, event.c.id)
        .limit(PAGE)
    )
    lags, events, out_of_order = Elapsed(), 0, 0
    page = query
    while True:
        with database.querying(patiently=True) as connection:
            found = connection.execute(page)
            rows = list(found.cursor.fetchall()) if found.cursor is not None else []
            found.close()
        for timestamp, received_at, is_stale, _ in rows:
            lags.add((read(received_at) - read(timestamp)).total_seconds())
            events += 1
            out_of_order += bool(is_stale)
        if len(rows) < PAGE:
            break
        moment, last = read(rows[-1][1]), rows[-1][-1]
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        page = query.where(
            event.c.received_at >= moment, or_(event.c.received_at > moment, event.c.id > last)
        )
    with database.querying() as connection:
        again = connection.scalar(select(func.sum(duplicate.c.count)).where(*hours))
    times = lags.times()
    return Feed(
        since=since,
        until=wanted.until,
        receiver=wanted.receiver,
        events=events,
        lag_p50=times.p50,
        lag_p99=times.p99,
        out_of_order=out_of_order,
        duplicates=int(again or 0),
    )
