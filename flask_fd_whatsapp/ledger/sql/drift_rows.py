"""Unknown fields and values seen in payloads, in a database."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    exists,
    or_,
    select,
    update,
)

from ..drift import MOST, Drift, DriftKind
from .dialects.base import Database
from .prepared import PreparedDatabase
from .tables import drift as table
from .tables import message


class SQLDriftRecord:
    """Stores drift, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def note(self, drifts: Collection[Drift]) -> None:
        """Add to what was seen; of examples, only messages that are in the ledger."""
        database = self._prepared.database
        names = [column.name for column in table.primary_key]
        with database.writing() as connection:
            for one in sorted(drifts, key=lambda drift: drift.key):  # in a fixed order: no deadlock
                last = {"last_seen": one.last_seen, "example": one.example}
                first = {**last, "count": one.count, "first_seen": one.first_seen}
                again = {**last, "count": table.c.count + one.count}
                key = dict(zip(names, one.key, strict=True))
                connection.execute(database.upsert(table, key, first, again))
            for receiver in {drift.receiver for drift in drifts}:
                _drop_oldest(connection, receiver)
        # In a transaction of its own: an erasure before that one was committed did not see its
        # example, but this one sees the erasure.
        forget_examples(database)

    def seen(self, *, receiver: str | None = None) -> list[Drift]:
        """What was seen by all receivers (or this one), newest first."""
        query = select(table).order_by(table.c.last_seen.desc(), *table.primary_key)
        if receiver is not None:
            query = query.where(table.c.receiver == receiver)
        with self._prepared.database.querying() as connection:
            return [_drift(row) for row in connection.execute(query).mappings()]


def forget_examples(database: Database) -> None:
    """Clear examples that name a missing message: not recorded, pruned or erased."""
    is_gone = table.c.example.is_not(None) & ~exists().where(
        message.c.message_id == table.c.example
    )
    with database.querying() as connection:
        keys = connection.execute(select(*table.primary_key).where(is_gone)).mappings().all()
    if not keys:
        return
    with database.writing() as connection:
        for key in sorted(keys, key=lambda row: tuple(row.values())):  # in the order of note()
            without = update(table).where(_is(key), is_gone).values(example=None)
            connection.execute(without)


def _is(key: RowMapping) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in key.items()))


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
        connection.execute(delete(table).where(or_(*map(_is, rows))))


def _drift(row: RowMapping) -> Drift:
    return Drift(**{**row, "kind": DriftKind(row["kind"])})
