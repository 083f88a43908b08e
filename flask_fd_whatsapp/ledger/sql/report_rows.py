"""The rows that reports are built from, in pages by when the messages were sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    case,
    exists,
    func,
    null,
    or_,
    select,
    true,
    update,
)

from ...engagement.folding import FoldKey
from ...engagement.report_filter import ReportFilter
from ..asking import ESTIMATED_BITS
from ..references import storable
from .dialects.base import Database
from .tables import aggregate, event, message

PAGE: Final = 4096
"""Rows per statement: how long a process may block others from the database."""

FILLED_AT_ONCE: Final = 500
"""One UPDATE of a million rows would hold SQLite's lock for seconds."""

BY_SENT_ON: Final = "ix_fd_whatsapp_message_sent_on"

_OF_MESSAGE: Final = event.c.message_key == message.c.id


def conditions(wanted: ReportFilter) -> Iterator[ColumnElement[bool]]:
    """The conditions on messages."""
    if wanted.since is not None:
        yield message.c.sent_on >= wanted.since
    if wanted.until is not None:
        yield message.c.sent_on < wanted.until
    if wanted.campaign is None:
        yield message.c.campaign.is_(None)
    elif isinstance(wanted.campaign, str):
        yield message.c.campaign == storable(wanted.campaign)
    if wanted.account_id is not None:
        yield message.c.account_id == storable(wanted.account_id)
    if wanted.receiver is not None:
        yield message.c.receiver == storable(wanted.receiver)
    if wanted.template is not None:
        yield message.c.template == storable(wanted.template)


def by_period(database: Database, query: Select[Any], wanted: ReportFilter) -> Select[Any]:
    """Let a query find a period's messages by their index."""
    if wanted.campaign is not ... or wanted.since is wanted.until is None:
        return query
    return database.using(query, message, BY_SENT_ON)


def facts_of(database: Database, by: Collection[str], *, times: bool) -> list[ColumnElement[Any]]:
    """The columns of :class:`.Facts`, times in the format of :attr:`.Database.report_times`.

    :param by: the dimensions; columns of others are not read.
    :param times: whether to read times other than ``sent_on`` and ``failed_at``, and not just
        whether there is one.
    """
    at = database.report_time

    def reached(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return at(column) if times else case((column.is_not(None), 1))

    def belongs(dimension: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column if dimension in by else null()

    return [
        at(message.c.sent_on),
        reached(message.c.queued_at),
        reached(message.c.sent_at),
        reached(message.c.delivered_at),
        reached(message.c.read_at),
        at(message.c.failed_at),
        is_heard(),
        message.c.estimated,
        message.c.is_returned,
        belongs("account", message.c.account_id),
        case((message.c.failed_at.is_not(None), message.c.message_id)),
        belongs("campaign", message.c.campaign),
        belongs("template", message.c.template),
        message.c.error_code,
        message.c.error_message,
        belongs("receiver", message.c.receiver),
    ]


def is_heard() -> ColumnElement[bool]:
    """Whether a message has any event: with a status, no lookup is needed."""
    return case((message.c.status.is_not(None), true()), else_=exists().where(_OF_MESSAGE))


def pages_of_facts(
    database: Database,
    connect: Callable[[], AbstractContextManager[Connection]],
    query: Select[Any],
    since: datetime | None,
) -> Iterator[Sequence[Any]]:
    """The rows of a query of messages as the driver returns them, page by page.

    :param connect: returns the connection for each page.
    :param query: of :func:`facts_of`, and at the end the messages' keys; without *since*, as SQLite
        would go through the whole period up to each page if told both.
    """
    read = database.report_times.read
    query = query.order_by(message.c.sent_on, message.c.id)
    sent_on = message.c.sent_on
    page = query.where(sent_on.is_not(None) if since is None else sent_on >= since)
    while True:
        with connect() as connection:
            found = connection.execute(page.limit(PAGE))
            # Bypass SQLAlchemy, which would make an object per row and a datetime per time.
            rows = list(found.cursor.fetchall()) if found.cursor is not None else []
            found.close()
        yield rows
        if len(rows) < PAGE:
            return
        moment, key = read(rows[-1][0]), rows[-1][-1]
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        page = query.where(sent_on >= moment, or_(sent_on > moment, message.c.id > key))


_AGGREGATED: Final = (
    "starts_at",
    "ends_at",
    "account",
    "receiver",
    "campaign",
    "template",
    "code",
    "counts",
    "figures",
)
"""The columns of an aggregate's row, as :func:`key_of` and its reader expect them."""


def folded_of(wanted: ReportFilter) -> Select[Any]:
    """The aggregates of pruned messages that a report may need."""
    query: Select[Any] = select(*(aggregate.c[name] for name in _AGGREGATED))
    if wanted.since is not None:
        query = query.where(aggregate.c.ends_at > wanted.since)
    if wanted.until is not None:
        query = query.where(aggregate.c.starts_at < wanted.until)
    if wanted.account_id is not None:
        query = query.where(aggregate.c.account == storable(wanted.account_id))
    if wanted.receiver is not None:
        query = query.where(aggregate.c.receiver == storable(wanted.receiver))
    if wanted.campaign is not ...:
        query = query.where(aggregate.c.campaign == (storable(wanted.campaign) or ""))
    if wanted.template is not None:
        query = query.where(aggregate.c.template == storable(wanted.template))
    return query


def key_of(row: Sequence[Any]) -> FoldKey:
    """The key of an aggregate's row."""
    return FoldKey._make(row[:7])


def fill_sent_on(database: Database) -> None:
    """Fill in ``sent_on`` of messages recorded by a process of the previous version."""
    while database.retried(lambda: _fill_some(database)):
        pass


def _fill_some(database: Database) -> bool:
    is_unknown = message.c.sent_on.is_(None)
    with database.querying() as connection:
        if connection.scalar(select(message.c.id).where(is_unknown).limit(1)) is None:
            return False
    earliest = select(func.min(event.c.timestamp)).where(_OF_MESSAGE)
    is_sure = event.c.source.is_(None) | event.c.status.not_in([*ESTIMATED_BITS])
    first = (
        select(event.c.receiver).where(_OF_MESSAGE).order_by(event.c.id).limit(1).scalar_subquery()
    )
    some = select(message.c.id).where(is_unknown).limit(FILLED_AT_ONCE)
    with database.writing(patiently=True) as connection:
        keys = connection.scalars(some.with_for_update(skip_locked=True)).all()
        if not keys:
            return False  # locked by others: left to the next report
        connection.execute(
            update(message)
            .where(message.c.id.in_(keys))
            .values(
                sent_on=func.coalesce(
                    message.c.queued_at,
                    message.c.expected_at,
                    earliest.where(is_sure).scalar_subquery(),
                    earliest.scalar_subquery(),
                    message.c.first_seen,
                ),
                receiver=func.coalesce(message.c.receiver, first),
            )
        )
        return True
