"""Connections: a driver's for the way of an event, SQLAlchemy's for all else."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url
from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import LedgerUnavailable
from .statements import Statements, statements_for

BUSY_SECONDS: Final = 5
POOL_SIZE: Final = 10
MAX_OVERFLOW: Final = 10
DEADLOCKS: Final = 3

T = TypeVar("T")

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def engine_from_url(url: str, app: Flask) -> Engine:
    """An engine for the ledger alone; a SQLite path is relative to ``app.instance_path``."""
    parsed = make_url(url)
    options: dict[str, Any] = {
        "hide_parameters": True,
        "pool_size": POOL_SIZE,
        "max_overflow": MAX_OVERFLOW,
        "pool_timeout": BUSY_SECONDS,
    }
    if parsed.get_backend_name() == "mariadb":
        options["isolation_level"] = "READ COMMITTED"  # fewer locks on gaps, fewer deadlocks
    if parsed.get_backend_name() != "sqlite":
        options["connect_args"] = {"connect_timeout": BUSY_SECONDS}
        engine = create_engine(parsed, **options)
        if engine.dialect.name == "postgresql":
            event.listen(engine, "connect", _set_time_zone)
        return engine
    path = Path(app.instance_path, str(parsed.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(f"The folder of the ledger cannot be made: {error}") from error
    parsed = parsed.set(database=str(path)).update_query_dict(
        {"timeout": str(BUSY_SECONDS), **parsed.query}
    )
    engine = create_engine(parsed, **options)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_time_zone(connection: Any, _: object) -> None:
    """Far from UTC, Python cannot read the first and the last day of its calendar."""
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _set_pragmas(connection: Any, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """An engine with what the ledger needs of it, for every dialect the same."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.is_sqlite = self.dialect == "sqlite"
        self.is_mariadb = self.dialect in ("mysql", "mariadb")
        self.driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self.integrity_error: type[Exception] = engine.dialect.loaded_dbapi.IntegrityError
        self.statements: Statements = statements_for(self.dialect)
        _leave_connections_to_parent(engine)

    def transaction(self, *, locks: bool = True) -> DriverTransaction:
        """A driver's cursor in a transaction, committed at the end of the ``with`` block.

        :param locks: on SQLite, take the write lock at once; else by :meth:`lock_now`.
        """
        return DriverTransaction(self, locks=locks)

    def lock_now(self, cursor: Any) -> None:
        """On SQLite, take the write lock: a transaction that read first may not get it."""
        if self.is_sqlite and not cursor.connection.in_transaction:
            cursor.execute("BEGIN IMMEDIATE")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """An SQLAlchemy connection in a transaction that may write from its first statement."""
        with self.translated(), self.engine.begin() as connection:
            self.lock(connection)
            yield connection

    @contextmanager
    def querying(self) -> Iterator[Connection]:
        """An SQLAlchemy connection to read with."""
        with self.translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Whatever the database says no with, as :class:`LedgerUnavailable`."""
        try:
            yield
        except (self.driver_error, SQLAlchemyError) as error:
            raise self.translate(error) from error

    def translate(self, error: Exception, connection: Any = None) -> LedgerUnavailable:
        """What to say of an error; if the server is gone, so are all pooled connections.

        :param connection: the driver's, if the error came past SQLAlchemy.
        """
        if isinstance(error, self.driver_error) and (
            self.engine.dialect.is_disconnect(cast(Any, error), connection, None)
        ):
            self.engine.dispose()
        # The first line alone: what follows may show the values of a row.
        reason = (str(error).splitlines() or [""])[0]
        return LedgerUnavailable(f"{type(error).__name__}: {reason}")

    def retried(self, work: Callable[[], T]) -> T:
        """Do *work*, again if the database chose its transaction as a deadlock's victim."""
        for _ in range(DEADLOCKS):
            try:
                return work()
            except LedgerUnavailable as error:
                if not _is_deadlock(error.__cause__):
                    raise
        return work()

    def doubts(self) -> list[str]:
        """Pragmas with which SQLite forgets, or waits for nobody; an engine may be the host's."""
        if not self.is_sqlite:
            return []
        with self.querying() as connection:
            found = {
                name: str(connection.exec_driver_sql(f"PRAGMA {name}").scalar()).lower()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        wanted = {
            "journal_mode": (found["journal_mode"] == "wal", "WAL, or readers and writers block"),
            "synchronous": (
                found["synchronous"] in ("2", "3"),
                "FULL, or a power cut loses events",
            ),
            "foreign_keys": (found["foreign_keys"] == "1", "ON"),
            "busy_timeout": (int(found["busy_timeout"]) >= 1000, "1000 (milliseconds) or more"),
        }
        return [
            f"SQLite's PRAGMA {name} is {found[name]}: set it to {remedy}."
            for name, (is_right, remedy) in wanted.items()
            if not is_right
        ]

    def lock(self, connection: Connection) -> None:
        """On SQLite, take the write lock now: a transaction that read first may not get it."""
        if self.is_sqlite and not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def times(self, lease: float, delay: float = 0) -> dict[str, Any]:
        """The parameters of the statements' times; ``now`` only where it is not the database's."""
        if not self.is_sqlite:
            return {"lease": lease, "delay": delay}
        now = datetime.now(UTC)
        return {
            "now": self.moment(now),
            "lease_end": self.moment(now + timedelta(seconds=lease)),
            "due": self.moment(now + timedelta(seconds=delay)),
        }

    def now(self) -> Any:
        """The database's clock for a query: SQLite's is this machine's."""
        if self.is_sqlite:
            return datetime.now(UTC)
        return func.utc_timestamp(6) if self.is_mariadb else func.statement_timestamp()

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver takes it."""
        if self.dialect == "postgresql":
            return value
        naive = value.replace(tzinfo=None)
        return naive.isoformat(" ", "microseconds") if self.is_sqlite else naive


def _is_deadlock(error: BaseException | None) -> bool:
    """PostgreSQL's SQLSTATE 40P01 and MariaDB's 1213, or what stricter isolation has."""
    return getattr(error, "sqlstate", None) in ("40P01", "40001") or (
        error is not None and error.args[:1] in ((1213,), (1020,))
    )


class DriverTransaction:
    """See :meth:`Database.transaction`; a class, since a generator costs more."""

    def __init__(self, database: Database, *, locks: bool) -> None:
        self._database = database
        self._locks = locks

    def __enter__(self) -> Any:
        database = self._database
        with database.translated():
            self._connection = database.engine.raw_connection()
        try:
            cursor = self._connection.cursor()
            if self._locks:
                database.lock_now(cursor)
        except BaseException as error:
            self.__exit__(None, error, None)
            raise
        return cursor

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        database, connection = self._database, self._connection
        driver = connection.driver_connection
        if error is None:
            try:
                connection.commit()
            except database.driver_error as failure:
                connection.invalidate()
                raise database.translate(failure, driver) from failure
            connection.close()
            return
        connection.invalidate()
        if isinstance(error, database.driver_error):
            raise database.translate(error, driver) from error


def _leave_connections_to_parent(engine: Engine) -> None:
    """A forked worker opens connections of its own, and does not touch its parent's."""
    reference = weakref.ref(engine)

    def close() -> None:
        # A SQLite connection that a child inherits makes it believe in locks that it has not
        # got: the file breaks.
        engine = reference()
        if engine is not None:
            engine.dispose()

    def leave() -> None:
        engine = reference()
        if engine is not None:
            engine.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=close, after_in_child=leave)


def storable(text: str | None) -> str | None:
    """*text* with U+FFFD for what a database would refuse: NUL and lone surrogates."""
    return None if text is None else _UNSTORABLE.sub("\ufffd", text)
