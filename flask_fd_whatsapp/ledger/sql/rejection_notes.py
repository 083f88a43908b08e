"""Notes about requests, in a database: the last rejections, and the use of tokens."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, RowMapping, func, select, update

from ..references import storable
from ..views import Rejection, TokenUse
from .prepared import PreparedDatabase
from .quarantine import kept_for
from .tables import rejection as table
from .tables import token_use

NO_HEADER: Final = "!no_header"
"""Suffix of the reason, part of the key, for requests with none of the configured headers."""


class SQLLastRejections:
    """Stores the last rejection of each receiver and reason, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def note(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last of its receiver, reason and ``has_no_header``; count it."""
        key = {
            "receiver": rejection.receiver,
            "reason": rejection.reason + NO_HEADER * rejection.has_no_header,
        }
        values = {
            "status_code": rejection.status_code,
            "detail": storable(rejection.detail),
            "last_seen": rejection.last_seen,
        }
        more = rejection.count or 1
        first = {
            **values,
            "count": more,
            "first_seen": rejection.first_seen or rejection.last_seen,
        }
        again = {
            **values,
            "count": func.coalesce(table.c.count, 0) + more,
            "acknowledged_at": None,  # whatever the time: clocks differ
        }
        with self._prepared.database.writing() as connection:
            connection.execute(self._prepared.database.upsert(table, key, first, again))

    def last(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection for each receiver (or this one) and reason, newest first."""
        query = select(table).order_by(table.c.last_seen.desc())
        if receiver is not None:
            query = query.where(_of(receiver))
        with self._prepared.database.querying() as connection:
            return [_rejection(row) for row in connection.execute(query).mappings()]

    def acknowledge(self, *, receiver: str | None = None) -> int:
        """Acknowledge all so far; return how many were unacknowledged."""
        is_new = table.c.acknowledged_at.is_(None) | (table.c.acknowledged_at < table.c.last_seen)
        note = update(table).where(is_new).values(acknowledged_at=table.c.last_seen)
        if receiver is not None:
            note = note.where(_of(receiver))
        with self._prepared.database.writing() as connection:
            return connection.execute(note).rowcount


def _of(receiver: str) -> ColumnElement[bool]:
    """Whether a row belongs to *receiver* or one of its accounts, which follow it in the index."""
    return (table.c.receiver >= receiver) & kept_for(receiver, table.c.receiver)


def _rejection(row: RowMapping) -> Rejection:
    reason: str = row["reason"]
    acknowledged_at = row["acknowledged_at"]
    return Rejection(
        receiver=row["receiver"],
        reason=reason.removesuffix(NO_HEADER),
        status_code=row["status_code"],
        detail=row["detail"],
        last_seen=row["last_seen"],
        has_no_header=reason.endswith(NO_HEADER),
        is_acknowledged=acknowledged_at is not None and acknowledged_at >= row["last_seen"],
        count=row["count"],
        first_seen=row["first_seen"],
    )


class SQLLastTokenUses:
    """Stores when each position of a rotated token was last used, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def note(self, use: TokenUse) -> None:
        """Keep *use* as the last one of its receiver, header and position."""
        key = {"receiver": use.receiver, "header": use.header, "position": use.position}
        values = {"last_used": use.last_used}
        with self._prepared.database.writing() as connection:
            connection.execute(self._prepared.database.upsert(token_use, key, values, values))

    def last(self, *, receiver: str | None = None) -> list[TokenUse]:
        """The last uses of every receiver (or of this one), by header and position."""
        query = select(token_use).order_by(*token_use.primary_key)
        if receiver is not None:
            query = query.where(token_use.c.receiver == receiver)
        with self._prepared.database.querying() as connection:
            return [TokenUse(**row) for row in connection.execute(query).mappings()]
