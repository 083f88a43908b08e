"""Copies a ledger into another database, of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Flask
from sqlalchemy import Connection, Table, func, insert, inspect, make_url, select

from ...exceptions import FreshdeskWhatsAppError
from .dialects.base import Database
from .dialects.registry import kind_of
from .ledger import SQLLedger
from .schema_version import HEAD, revision_of
from .tables import compatibility, event, metadata, quarantine, send

ROWS: Final = 500
"""Rows per batch, so that memory stays flat."""

_TABLES: Final = [table for table in metadata.sorted_tables if table is not compatibility]

_KEPT: Final = {"events": event, "quarantined bodies": quarantine, "sends": send}
"""Tables of rows that no sender repeats once they are acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied.

    :param rows: how many, by table.
    :param missed: how many events, quarantined bodies and sends the source recorded meanwhile, so
        that the target lacks them.
    """

    rows: Mapping[str, int]
    missed: Mapping[str, int]


def copy_ledger(
    source: SQLLedger, target: SQLLedger, *, tell: Callable[[int, int], None]
) -> Copied:
    """Copy all rows of one snapshot, with their ids; all of them or, if it fails, none.

    :param target: a database without a ledger, or with an empty one.  One that is not empty is
        left unchanged.
    :param tell: called with the number of rows copied, and their total.
    :raises FreshdeskWhatsAppError: if the target is not empty, or lacks what was copied.
    :raises LedgerUnavailable: if either cannot be used.
    """
    origin = source.database
    if not source.migrated_by_host:
        with origin.querying() as connection:
            _require_known(revision_of(connection))
    with target.unprepared.querying() as connection:  # before changing anything there
        _require_known(revision_of(connection))
        there = inspect(connection).get_table_names()
        _require_empty(connection, [table for table in _TABLES if table.name in there])
    target.upgrade()
    destination = target.database
    with origin.snapshot() as reading:
        rows = {table.name: _count(reading, table) for table in _TABLES}
        with destination.writing(patiently=True) as writing:
            _require_empty(writing, _TABLES)
            _copy_tables(rows, reading, writing, destination, tell)
        missed = {what: _missed(table, reading, origin) for what, table in _KEPT.items()}
    return Copied(rows=rows, missed=missed)


def folder_of(url: str, app: Flask) -> Path | None:
    """The folder of a database that is a file and is created at first use; of others ``None``."""
    target = make_url(url)
    if not kind_of(target.get_backend_name()).upgrades_at_first_use or not target.database:
        return None
    return Path(app.instance_path, target.database).parent


def _require_known(found: str | None) -> None:
    """Refuse unknown revisions: their columns would be left behind."""
    if found is not None and found > HEAD:
        raise FreshdeskWhatsAppError(
            f"A ledger at revision {found} cannot be copied by this version of the package, which "
            f"knows {HEAD}: use the version that upgraded it."
        )


def _require_empty(connection: Connection, tables: Iterable[Table]) -> None:
    for table in tables:
        if connection.execute(select(1).select_from(table).limit(1)).first():
            raise FreshdeskWhatsAppError(
                f"The target is not empty: {table.name} has rows. Name an empty database."
            )


def _copy_tables(
    rows: Mapping[str, int],
    reading: Connection,
    writing: Connection,
    destination: Database,
    tell: Callable[[int, int], None],
) -> None:
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


def _missed(table: Table, reading: Connection, database: Database) -> int:
    """How many rows were added since the snapshot, whatever their ids.

    A new id may be lower than copied ones: of two concurrent transactions, the one that drew its
    id first may commit last.
    """
    ids = select(table.c.id).order_by(table.c.id).execution_options(yield_per=10 * ROWS)
    with (
        database.querying(patiently=True) as connection,
        connection.execute(ids) as now,
        reading.execute(ids) as copied,
    ):
        return _count_others(now.scalars(), copied.scalars())


def _count_others(ids: Iterable[int], known: Iterable[int]) -> int:
    """How many *ids* are not *known*, both sorted."""
    count, rest = 0, iter(known)
    last = next(rest, None)
    for one in ids:
        while last is not None and last < one:
            last = next(rest, None)
        count += last != one
    return count
