"""What differs on PostgreSQL: each step of handling an event is one statement.

In autocommit mode, so that a step is one round trip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Final, TypeVar

from flask import Flask
from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    RootTransaction,
    Table,
    cast,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import array, insert

from ....engagement.facts import DATETIMES
from ....exceptions import LedgerUnavailable
from ..rows import Found, Handled, Inserted
from ..statement_parameters import Statement
from ..tables import metadata
from ..transactions import Transaction
from .base import Database
from .postgresql_changes import PostgreSQLChanges
from .postgresql_statements import SingleStatements, single_statements
from .postgresql_transaction import Autocommit, Several

T = TypeVar("T")

_FOR_REPORTS: Final = """
SELECT set_config('enable_seqscan', 'off', TRUE), set_config('jit', 'off', TRUE),
  set_config('max_parallel_workers_per_gather', '0', TRUE),
  set_config('enable_sort', 'off', TRUE), set_config('work_mem', '64MB', TRUE)
"""

_RECORDINGS: Final = """
SELECT pid, query_start FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = 'fd_whatsapp_message'::regclass AND mode = 'RowExclusiveLock'
  AND datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
"""


class PostgreSQL(Database):
    """PostgreSQL, through psycopg or another driver that has ``autocommit``."""

    statements: SingleStatements
    report_times = DATETIMES
    aggregates_reports = True
    dialects = ("postgresql",)
    changes = PostgreSQLChanges()
    insert_into = staticmethod(insert)
    time_out_attribute = "answer_seconds"  # TimedConnection's
    conflicts = ("40P01", "40001")  # a deadlock; a serialisation failure of stricter isolation
    compacting = tuple(f"VACUUM (ANALYZE) {name}" for name in metadata.tables)
    compacts = (
        "VACUUM lets PostgreSQL reuse the space, and locks nobody out. Only VACUUM FULL, which "
        "locks everybody out until it is done, returns it to the disk: run that by hand."
    )

    backup_tool = "pg_dump --format=custom --file=FILE DATABASE"

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, is_own=is_own)
        self._alone: type[Transaction] | None = None
        if not is_own and not event.contains(engine, "checkout", _read_times):
            event.listen(engine, "checkout", _read_times)

    @classmethod
    def new_statements(cls) -> SingleStatements:
        """The statements that handle events, in its dialect."""
        return single_statements()

    @classmethod
    def new_engine(cls, url: URL, app: Flask) -> Engine:
        """An engine used only by the ledger."""
        from .psycopg_connection import new_engine  # needs an extra

        return new_engine(url)

    @classmethod
    def warm_up(cls) -> None:
        """Import what :meth:`new_engine` does, except for the driver."""
        import_module(".psycopg_connection", __package__)

    @staticmethod
    def code_of(error: BaseException) -> object:
        """The server's SQLSTATE."""
        return getattr(error, "sqlstate", None)

    def require_suitable(self) -> None:
        """Check that the encodings of server and connection cover Unicode."""
        query = "SELECT current_setting('server_encoding'), current_setting('client_encoding')"
        with self.querying() as connection:
            server, client = connection.exec_driver_sql(query).one()
        if server != "UTF8":
            raise LedgerUnavailable(
                f"The database's encoding is {server}, which lacks characters used in names and "
                "messages: create another with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE "
                "template0, and use that."
            )
        if client != "UTF8":
            raise LedgerUnavailable(
                f"The connection's client_encoding is {client}, which lacks characters used in "
                "names and messages: set it to utf8 in the engine or its URL."
            )

    def doubts(self) -> list[str]:
        """Settings with which PostgreSQL may lose commits, and a pooler that breaks statements."""
        names = ("synchronous_commit", "fsync")
        with self.querying() as connection:
            off = [n for n in names if connection.exec_driver_sql(f"SHOW {n}").scalar() == "off"]
            number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            driver: Any = connection.connection.driver_connection
        doubts = [
            f"PostgreSQL's {name} is off: set it to on, or a crash loses events that were answered "
            "with 200."
            for name in off
        ]
        told = getattr(getattr(driver, "info", None), "backend_pid", number)
        if told != number and getattr(driver, "prepare_threshold", None) is not None:
            doubts.append(f"There is a pooler between here and PostgreSQL: {_UNPREPARED}")
        return doubts

    def translate(self, error: Exception, connection: Any = None) -> LedgerUnavailable:
        """The ledger's error; for a pooler's, with the remedy."""
        translated = super().translate(error, connection)
        if self.code_of(getattr(error, "orig", error)) in _OF_PREPARED:
            return LedgerUnavailable(f"{translated} Behind a pooler {_UNPREPARED}")
        return translated

    def prepare(self, driver: Any) -> None:
        """Put a kept connection into autocommit mode."""
        driver.autocommit = True

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction of several statements."""
        return Several(self)

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work*, which is one statement in autocommit mode.

        The statement itself sets whether to wait for the disk.
        """
        with self._alone_at_read_committed() as cursor:
            return work(cursor)

    def _alone_at_read_committed(self) -> Transaction:
        """Autocommit, unless the server's default isolation level is not READ COMMITTED."""
        if self._alone is None:
            with Autocommit(self) as cursor:
                cursor.execute("SHOW default_transaction_isolation")
                is_default = cursor.fetchone()[0] == "read committed"
            self._alone = Autocommit if is_default else Several
        return self._alone(self)

    def begin_snapshot(self, connection: Connection) -> None:
        """Begin a snapshot, and prefer indexes: by its statistics it would scan the whole table for
        a fifth of its rows, and sort by text what hashing groups in a third of the time."""
        super().begin_snapshot(connection)
        connection.exec_driver_sql(_FOR_REPORTS)

    def place_among(
        self, column: ColumnElement[Any], starts: Sequence[datetime]
    ) -> ColumnElement[int]:
        """How many of *starts*, which are sorted, are at or before a time."""
        return func.width_bucket(column, cast([*starts], ARRAY(DateTime(timezone=True))))

    def array_of(self, *values: ColumnElement[Any]) -> ColumnElement[Any]:
        """*values* as one that is compared by the first of them, then by the second, and so on."""
        return array(values)

    def recordings(self, connection: Connection) -> set[Any]:
        """The statements now writing messages; other users' are not visible."""
        return set(map(tuple, connection.exec_driver_sql(_RECORDINGS)))

    def begin(self, connection: Connection) -> RootTransaction:
        """Begin a transaction at READ COMMITTED; the level is the driver's to send with BEGIN."""
        if not self.is_own or self.engine.dialect.default_isolation_level != "READ COMMITTED":
            # Ends what a listener of the host began; else nothing is sent.
            connection.connection.driver_connection.commit()  # type: ignore[union-attr]
            connection.execution_options(isolation_level="READ COMMITTED")
        return connection.begin()

    def reading(self) -> Transaction:
        """A cursor in autocommit mode."""
        return Autocommit(self)

    def insert(self, cursor: Any, values: dict[str, Any]) -> Inserted:
        """Record an event and what it does to its message, and claim that if it is free."""
        self.statements.insert.execute(cursor, values)
        return Inserted._make(cursor.fetchone())

    def complete(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes, end claim and event; false, without a change, if it is another's."""
        return self._record(cursor, self.statements.complete, values, handled)

    def claim_pending(self, values: Mapping[str, Any]) -> Found | None:
        """Claim a pending event's message and count the attempt, in one statement.

        It claims nothing if another has changed the message since the statement began.
        """
        with self._alone_at_read_committed() as cursor:
            self.statements.claim_pending.execute(cursor, values)
            row = cursor.fetchone()
        if row is None:
            return None
        *found, settled, gave_up = row
        return Found._make((*found, frozenset(settled or ()), frozenset(gave_up or ())))

    def _record(
        self,
        cursor: Any,
        statement: Statement,
        values: Mapping[str, Any],
        handled: Sequence[Handled],
    ) -> bool:
        # One text: the driver is slower with lists.
        text = json.dumps({one.handler: one.is_superseded for one in handled})
        statement.execute(cursor, {"is_durable": True, **values, "handled": text})
        return bool(cursor.rowcount == 1)

    def continue_ids(self, connection: Connection, table: Table) -> None:
        """Set the table's sequence to continue after the last id."""
        if "id" in table.c:
            last = select(func.max(table.c.id)).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(sequence, last)))

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver expects it."""
        return value


_OF_PREPARED: Final = ("42P05", "26000", "08P01")
"""SQLSTATEs: a prepared statement exists already, does not exist, or is another one."""

_UNPREPARED: Final = (
    "the host's engine must not prepare statements, which other server processes do not know: "
    'create it with connect_args={"prepare_threshold": None}.'
)


def _read_times(connection: Any, _: object, proxy: object) -> None:
    """Set the date style: psycopg parses only ISO, and the server may use another."""
    info = getattr(connection, "info", None)
    style = None if info is None else info.parameter_status("DateStyle")
    if style is not None and not style.startswith("ISO"):
        with connection.cursor() as cursor:
            cursor.execute("SET DateStyle = 'ISO'")
        if not connection.autocommit:
            connection.commit()
