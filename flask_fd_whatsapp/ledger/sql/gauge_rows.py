"""The gauges that monitors record, from a database: one statement per scrape."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, false, func, literal, null, select, type_coerce, union_all

from ..gauges import NO_STATUS, UNHEARD_AFTER, WINDOW, Gauges, LastRun
from ..records import receiver_and_key
from ..send_records import SendFilter, SendState
from .ask_rows import GOOD_AT, is_current_run
from .column_types import UTCDateTime
from .dialects.base import Database
from .prepared import PreparedDatabase
from .quarantine import kept_for
from .rejection_notes import NO_HEADER
from .send_queries import conditions_of
from .tables import drift, event, message, quarantine, reconciliation, rejection, send


class _Row(NamedTuple):
    kind: str
    receiver: str
    label: str | None
    number: int
    moment: datetime | None


class SQLGauges:
    """Reads gauges, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def read(self, receivers: Collection[str]) -> Mapping[str, Gauges]:
        """The gauges of the named receivers, in one query however many there are."""
        gauges = {name: Gauges() for name in receivers}
        if not gauges:
            return gauges
        database = self._prepared.database
        query = union_all(*_parts(list(gauges), database))
        with database.querying() as connection:
            rows = [_Row(*row) for row in connection.execute(query)]
        for row in rows:
            of = gauges.get(row.receiver) or gauges.get(receiver_and_key(row.receiver)[0])
            if of is not None:
                _take(of, row._replace(number=int(row.number)))  # MariaDB: decimals
        return gauges


def _take(gauges: Gauges, row: _Row) -> None:
    if row.kind == "pending":
        gauges.pending, gauges.oldest_pending = row.number, row.moment
    elif row.kind == "accepted":
        gauges.last_accepted = row.moment
    elif row.kind == "reconciled":
        assert row.label is not None
        run = LastRun(row.label, row.moment, is_good=not row.number)
        gauges.runs = [*gauges.runs, run]
    elif row.kind == "rejected":
        assert row.label is not None
        assert row.moment is not None
        reason = row.label.removesuffix(NO_HEADER)
        latest = max(row.moment, gauges.rejected.get(reason, row.moment))
        gauges.rejected = {**gauges.rejected, reason: latest}
        count = row.number + gauges.rejections.get(reason, 0)
        gauges.rejections = {**gauges.rejections, reason: count}
    elif row.kind == "message":
        gauges.messages = {**gauges.messages, row.label or NO_STATUS: row.number}
    else:
        setattr(gauges, row.kind, row.number)


def _parts(receivers: list[str], database: Database) -> list[Any]:
    """One query per kind of row; the first has all columns, which sets their types."""
    since = database.now(after=-WINDOW.total_seconds())
    is_due = event.c.due_at.is_not(None)
    parts: list[Any] = [
        _counted("pending", event.c.receiver, moment=func.min(event.c.received_at))
        .where(is_due, event.c.receiver.in_(receivers))
        .group_by(event.c.receiver),
        _counted("dead", event.c.receiver)
        .where(event.c.dead_at.is_not(None), event.c.receiver.in_(receivers))
        .group_by(event.c.receiver),
        _counted(
            "rejected",
            rejection.c.receiver,
            rejection.c.reason,
            func.max(rejection.c.last_seen),
            func.sum(func.coalesce(rejection.c.count, 1)),
        ).group_by(rejection.c.receiver, rejection.c.reason),  # few rows, accounts' included
        _counted("drift", drift.c.receiver)
        .where(drift.c.last_seen >= since, drift.c.receiver.in_(receivers))
        .group_by(drift.c.receiver),
        _counted("message", message.c.receiver, message.c.status)
        .where(message.c.first_seen >= since, message.c.receiver.in_(receivers))
        .group_by(message.c.receiver, message.c.status),
    ]
    of_sends = {
        "unheard": [
            *conditions_of(SendFilter(is_unheard=True), database),
            send.c.created_at >= since,
            send.c.created_at <= database.now(after=-UNHEARD_AFTER.total_seconds()),
        ],
        "unknown": conditions_of(SendFilter(state=SendState.UNKNOWN), database),
    }
    parts += [
        _counted(kind, send.c.receiver)
        .where(*conditions, send.c.receiver.in_(receivers))
        .group_by(send.c.receiver)
        for kind, conditions in of_sends.items()
    ]
    # A receiver may have many rows in tables kept by account.
    parts += [
        _counted("quarantined", literal(name)).select_from(quarantine).where(kept_for(name))
        for name in receivers
    ]
    could_ask = func.coalesce(reconciliation.c.ended_at == GOOD_AT, false())
    is_failing = case((could_ask, 0), else_=1)
    parts += [
        _counted("reconciled", literal(name), reconciliation.c.receiver, GOOD_AT, is_failing).where(
            is_current_run(name)
        )
        for name in receivers
    ]
    # One index lookup for each: grouped, it would scan every event.
    parts += [
        select(
            literal("accepted"),
            literal(name),
            null(),
            literal(0),
            select(func.max(event.c.received_at)).where(event.c.receiver == name).scalar_subquery(),
        )
        for name in receivers
    ]
    return parts


def _counted(
    kind: str, receiver: Any, label: Any = None, moment: Any = None, number: Any = None
) -> Any:
    return select(
        literal(kind),
        receiver,
        null() if label is None else label,
        func.count() if number is None else number,
        type_coerce(null(), UTCDateTime) if moment is None else moment,
    )
