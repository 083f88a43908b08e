"""What was seen in payloads and is not known here, in a database."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, RowMapping, and_, delete, or_, select

from ..drift import MOST, Drift, DriftKind
from .prepared import PreparedDatabase
from .tables import drift as table


class SQLDriftRecord:
    """Keeps what is not known and was seen, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def note(self, drifts: Collection[Drift]) -> None:
        """Add to what was seen."""
        database = self._prepared.database
        names = [column.name for column in table.primary_key]
        with database.writing() as connection:
            for one in sorted(drifts, key=lambda drift: drift.key):  # in one order: no deadlock
                last = {"last_seen": one.last_seen, "example": one.example}
                first = {**last, "count": one.count, "first_seen": one.first_seen}
                again = {**last, "count": table.c.count + one.count}
                key = dict(zip(names, one.key, strict=True))
                connection.execute(database.upsert(table, key, first, again))
            for receiver in {drift.receiver for drift in drifts}:
                _drop_oldest(connection, receiver)

    def seen(self, *, receiver: str | None = None) -> list[Drift]:
        """What was seen at every receiver (or this one), newest first."""
        query = select(table).order_by(table.c.last_seen.desc(), *table.primary_key)
        if receiver is not None:
            query = query.where(table.c.receiver == receiver)
        with self._prepared.database.querying() as connection:
            return [_drift(row) for row in connection.execute(query).mappings()]


def _drop_oldest(connection: Connection, receiver: str) -> None:
    beyond = (
        select(*table.primary_key)
        .where(table.c.receiver == receiver)
        .order_by(table.c.last_seen.desc(), *table.primary_key)
        .offset(MOST)
        .limit(MOST)
    )
    rows = connection.execute(beyond).mappings().all()
    if rows:
        keys = [and_(*(table.c[name] == value for name, value in row.items())) for row in rows]
        connection.execute(delete(table).where(or_(*keys)))


def _drift(row: RowMapping) -> Drift:
    return Drift(**{**row, "kind": DriftKind(row["kind"])})
