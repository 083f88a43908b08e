"""The last rejections, in a database."""

from __future__ import annotations

from sqlalchemy import select

from ..views import Rejection
from .database import Database
from .rows import storable
from .tables import rejection as table
from .upsert import upsert


class SQLRejections:
    """The part of :class:`SQLLedger` that knows what was rejected last."""

    @property
    def database(self) -> Database:
        """The database, its tables being up to date."""
        raise NotImplementedError

    def note_rejection(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last one of its receiver and reason."""
        key = {"receiver": rejection.receiver, "reason": rejection.reason}
        last = {
            "status_code": rejection.status_code,
            "detail": storable(rejection.detail),
            "last_seen": rejection.last_seen,
        }
        with self.database.writing() as connection:
            connection.execute(upsert(self.database, table, key, last, last))

    def rejections(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection of each receiver (or of this one) and reason, newest first."""
        query = select(table).order_by(table.c.last_seen.desc())
        if receiver is not None:
            query = query.where(table.c.receiver == receiver)
        with self.database.querying() as connection:
            return [Rejection(**row) for row in connection.execute(query).mappings()]
