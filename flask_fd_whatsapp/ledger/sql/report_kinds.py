"""Messages counted by a database: one row for all that reached the same.

What that makes of a figure is left to the accumulator's definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    select,
)

from ...engagement.definitions import DELIVERED, FAILED, OTHER, QUEUED, READ, SENT, YOUNG
from ...engagement.groups import Calendar, Span
from ...engagement.tally import Tally
from .dialects.base import Database
from .report_rows import is_heard
from .tables import message

TIME_OF: Final = {
    QUEUED: message.c.queued_at,
    SENT: message.c.sent_at,
    FAILED: message.c.failed_at,
    DELIVERED: message.c.delivered_at,
    READ: message.c.read_at,
}

IS_FAILED: Final = and_(
    message.c.failed_at.is_not(None),
    message.c.delivered_at.is_(None),
    message.c.read_at.is_(None),
)

FAILURE_CODE: Final = case((IS_FAILED, message.c.error_code)).label("failure_code")

IS_RETURNED: Final = func.coalesce(message.c.is_returned, false())

_SUM: Final[ColumnElement[int]] = sum(
    (case((column.is_not(None), bit), else_=0) for bit, column in TIME_OF.items()),
    start=literal(0),
)
_HAS_NO_TIME: Final = and_(*(column.is_(None) for column in TIME_OF.values()))
_REACHED: Final = case((and_(_HAS_NO_TIME, is_heard()), OTHER), else_=_SUM).label("reached")
"""The bits of what a message reached, as :func:`.facts.reached_by` gives them."""


def column_of(dimension: str) -> ColumnElement[Any]:
    """The column of a dimension that is neither a time nor a failure."""
    column = message.c.account_id if dimension == "account" else message.c[dimension]
    return column.label(dimension)


def kinds_of(
    database: Database,
    as_of: datetime,
    wanted: Sequence[ColumnElement[bool]],
    by: Sequence[ColumnElement[Any]],
    *measures: ColumnElement[Any],
) -> Select[Any]:
    """How many messages there are of each kind, and when the first and the last was sent.

    :param by: what else tells kinds apart; labelled, unlike any column unless it is that one.
    :param measures: what else is to be known of a kind; labelled.
    """
    kind = [*by, _REACHED]
    columns: list[ColumnElement[Any]] = [
        *kind,
        *_counted(database, as_of, message.c.sent_on),
        *measures,
    ]
    # By their names, since parameters in expressions would make those of GROUP BY others.
    return select(*columns).where(*wanted).group_by(*(column.name for column in kind))


def kinds_of_narrow_rows(
    database: Database,
    as_of: datetime,
    wanted: Sequence[ColumnElement[bool]],
    by: Sequence[ColumnElement[Any]],
) -> Select[Any]:
    """As :func:`kinds_of`, for SQLite, which sorts the messages by kind.

    It would sort all columns that tell kinds apart along with them.  Here they are in a subquery,
    which it does not merge into the query around it as it has a limit, even if that is none.
    """
    one = select(*by, _REACHED, message.c.sent_on).where(*wanted).limit(-1).subquery("one")
    *kind, sent_on = one.c
    columns: list[ColumnElement[Any]] = [*kind, *_counted(database, as_of, sent_on)]
    return select(*columns).group_by(*kind)


def _counted(
    database: Database, as_of: datetime, sent_on: ColumnElement[Any]
) -> Iterator[ColumnElement[Any]]:
    yield func.count().label("number")
    yield func.sum(case((sent_on > as_of - YOUNG, 1), else_=0), type_=Integer).label("young")
    yield database.report_time(func.min(sent_on)).label("first_sent")
    yield database.report_time(func.max(sent_on)).label("last_sent")


def add_kind(tally: Tally, row: Any) -> None:
    """Count the messages of a kind."""
    tally.kinds[row.reached] += row.number
    tally.young += int(row.young)
    if tally.first_sent is None or row.first_sent < tally.first_sent:
        tally.first_sent = row.first_sent
    if tally.last_sent is None or row.last_sent > tally.last_sent:
        tally.last_sent = row.last_sent


def spans_of(
    connection: Connection, calendar: Calendar, wanted: Sequence[ColumnElement[bool]], most: int
) -> list[Span] | None:
    """The days or hours from the first message to the last; ``None`` if there are too many."""
    sent_on = select(message.c.sent_on).where(*wanted).limit(1)
    moment: Any = connection.scalar(sent_on.order_by(message.c.sent_on))
    last: Any = connection.scalar(sent_on.order_by(message.c.sent_on.desc()))
    spans: list[Span] = []
    while moment is not None and moment <= last:
        if len(spans) == most:
            return None
        spans.append(calendar.span_of(moment))
        moment = spans[-1].end
    return spans
