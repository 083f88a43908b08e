"""Copies a ledger into another database, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, func, insert, select

from ...exceptions import FreshdeskWhatsAppError
from .dialects.base import Database
from .ledger import SQLLedger
from .schema_version import HEAD, revision
from .tables import compatibility, event, metadata

ROWS: Final = 500
"""Read and written at once, so that memory stays flat."""

_TABLES: Final = [table for table in metadata.sorted_tables if table is not compatibility]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied.

    :param rows: how many, by table.
    :param missed: events that were recorded in the source meanwhile, and are not in the target.
    """

    rows: Mapping[str, int]
    missed: int


def copy_ledger(
    source: SQLLedger, target: SQLLedger, *, tell: Callable[[int, int], None]
) -> Copied:
    """Copy all rows, as they are at one moment, with their ids; all of them or, if it fails, none.

    :param target: a database without a ledger, or with an empty one.
    :param tell: is called with how many rows are copied, and of how many.
    :raises FreshdeskWhatsAppError: if the target is not empty, or it has not what was copied.
    :raises LedgerUnavailable: if one of them cannot be used.
    """
    origin = source.database
    target.upgrade()
    destination = target.database
    _require_same_revision(source, target)
    with origin.snapshot() as reading, destination.writing(patiently=True) as writing:
        for table in _TABLES:
            if _count(writing, table):
                raise FreshdeskWhatsAppError(
                    f"The target is not empty: {table.name} has rows. Name an empty database."
                )
        rows = {table.name: _count(reading, table) for table in _TABLES}
        newest = reading.scalar(select(func.max(event.c.id))) or 0
        total, done = sum(rows.values()), 0
        for table in _TABLES:
            done = _copy_table(table, reading, writing, done, lambda now: tell(now, total))
            if rows[table.name]:
                destination.continue_ids(writing, table)
            written = _count(writing, table)
            if written != rows[table.name]:
                raise FreshdeskWhatsAppError(
                    f"{table.name} has {rows[table.name]} rows in the source and {written} in the "
                    "target, which was left as it had been: copy again, into a new database."
                )
    return Copied(rows=rows, missed=_since(origin, newest))


def _require_same_revision(*ledgers: SQLLedger) -> None:
    """A column that is not known here would be left behind."""
    for ledger in ledgers:
        if not ledger.migrated_by_host and (found := revision(ledger.engine)) != HEAD:
            raise FreshdeskWhatsAppError(
                f"A ledger at revision {found} cannot be copied by this version of the package, "
                f"which knows {HEAD}: use the version that upgraded it."
            )


def _copy_table(
    table: Table,
    reading: Connection,
    writing: Connection,
    done: int,
    tell: Callable[[int], None],
) -> int:
    found = reading.execution_options(stream_results=True, yield_per=ROWS).execute(select(table))
    for part in found.mappings().partitions():
        writing.execute(insert(table), [dict(row) for row in part])
        done += len(part)
        tell(done)
    return done


def _count(connection: Connection, table: Table) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _since(database: Database, newest: int) -> int:
    with database.querying(patiently=True) as connection:
        later = select(func.count()).select_from(event).where(event.c.id > newest)
        return int(connection.scalar(later) or 0)
