"""What differs on SQLite: one writer at a time, and no server whose clock to use."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from flask import Flask
from sqlalchemy import ColumnElement, String, TextClause, event, func, text, type_coerce
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL, Connection, Engine

from ....exceptions import LedgerUnavailable
from ..rows import Found, found_by
from ..statement_parameters import by_position
from ..statements import Statements, statements_for
from ..transactions import Transaction
from . import sqlite_connection
from .base import CLOCKS_DIFFER, Database
from .database_file import DatabaseFile, file_of
from .dialect_sql import DialectSQL
from .group_commit import Batches
from .slices import BUSY_SECONDS, QUICK_SECONDS, Slices
from .sqlite_backup import write_backup
from .sqlite_transaction import BeginsWriting, WritingInTurn, WritingStep
from .table_changes import TableChanges
from .writer_lock import Turn

T = TypeVar("T")

# SQLite runs on this machine, so that its clock is this process's, given as :now.
_SQL: Final = DialectSQL(
    now=":now",
    lease_end=":lease_end",
    due=":due",
    age="(JULIANDAY(:now) - JULIANDAY(COALESCE(revived_at, received_at))) * 86400",
    # A claim made in the future is from a clock that ran ahead and has been corrected.
    is_over="{of}claim_until <= {at} OR COALESCE({of}claimed_at, {at}) > :ahead",
    returning_id="",  # lastrowid has it, which costs less
)


class _Changes(TableChanges):
    """A whole revision is one transaction, during which nobody else can write."""

    revision_lock = "BEGIN IMMEDIATE"
    in_the_way = ("SQLITE_BUSY",)

    def create_index(
        self, op: Any, name: str, table: str, columns: Sequence[str], where: TextClause | None
    ) -> None:
        op.create_index(name, table, [*columns], sqlite_where=where, if_not_exists=True)


class SQLite(Database):
    """SQLite through the ``sqlite3`` module."""

    dialects = ("sqlite",)
    changes = _Changes()
    insert_into = staticmethod(insert)
    upgrades_at_first_use = True
    has_one_writer = True
    compares_bytes = True
    compacting = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
    compacts = (
        "VACUUM rewrites the file: until it is done nobody else can write, so that posts are "
        "answered with 503 and resent, and it needs as much free space as the file takes."
    )
    take_turns = False  # what was used last has the most in its cache
    # While a connection from before the fork is open, SQLite treats the parent's locks on the
    # file as this process's.  Closing it does not release the parent's.
    closes_inherited = True

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, is_own=is_own)
        # The URL's time-out for SQLite's lock also applies to the queue before it.
        timeout = engine.url.query.get("timeout") if is_own else None
        seconds = float(timeout) if isinstance(timeout, str) else sqlite_connection.BUSY_SECONDS
        path = f"{engine.url.database}-turn" if is_own else None
        self.turn = Turn(path, seconds)
        self._slices = Slices(path)
        if is_own:
            event.listen(engine, "engine_disposed", lambda _: self._close_files())
        self._begin_writing = BeginsWriting(self.turn, seconds, self.driver_error)
        self.file = file_of(engine.url.database)
        self._file = DatabaseFile(self.file, self.renew) if self.file else None
        self._batches = Batches(
            self.turn,
            lambda is_durable: WritingStep(self, self._begin_writing, is_durable=is_durable),
            seconds,
        )

    def _close_files(self) -> None:
        """Close the turn's file, together with the connections."""
        self.turn.close()
        self._slices.close()

    @classmethod
    def new_statements(cls) -> Statements:
        """The statements that handle events, in its dialect."""
        return statements_for(_SQL, by_position)

    @classmethod
    def new_engine(cls, url: URL, app: Flask) -> Engine:
        """An engine used only by the ledger; the path is relative to ``app.instance_path``."""
        return sqlite_connection.new_engine(url, app)

    @staticmethod
    def code_of(error: BaseException) -> object:
        """The name of SQLite's error code."""
        return getattr(error, "sqlite_errorname", None)

    def unselective(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """*condition*, marked as one that most rows meet: SQLite keeps no statistics about that."""
        return func.likely(condition)

    def renew(self) -> None:
        """Open new connections, to a file that may have other tables."""
        self.is_prepared = False
        super().renew()

    def require_suitable(self) -> None:
        """Check that the file was not removed while in use."""
        self._look()

    def translate(self, error: Exception, connection: Any = None) -> LedgerUnavailable:
        """The ledger's error; for one about the file, with its path."""
        translated = super().translate(error, connection)
        return translated if self._file is None else self._file.named(translated)

    def _look(self) -> None:
        if self._file is not None:
            self._file.look()

    def reading(self) -> Transaction:
        """A driver's cursor for one statement that reads, in the file that is there now."""
        self._look()
        return super().reading()

    @contextmanager
    def querying(self, *, patiently: bool = False) -> Generator[Connection]:
        """An SQLAlchemy connection to read with, to the file that is there now."""
        self._look()
        with super().querying() as connection:
            yield connection

    reports_by_page = True  # a long read keeps the WAL from being truncated

    def report_time(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """As the text that it is."""
        return type_coerce(column, String)

    def begin_snapshot(self, connection: Connection) -> None:
        """Begin a transaction, whose snapshot starts with its first query."""
        connection.exec_driver_sql("BEGIN")

    def folds(self, connection: Connection) -> Any:
        """The last row that pruning wrote."""
        return connection.scalar(text("SELECT MAX(rowid) FROM fd_whatsapp_forgotten"))

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction that may write from its first statement."""
        self.own()  # before its turn
        return WritingInTurn(self, self._begin_writing, self.turn, is_durable=True)

    def stand_by(self) -> None:
        """Let another process that is handling quick events continue first."""
        self._slices.enter()

    def step_aside(self) -> None:
        """Let another process that stands by continue."""
        self._slices.leave()

    def claim_pending(self, values: Mapping[str, Any]) -> Found | None:
        """Claim a pending event's message and count the attempt, in one transaction."""
        with self.claiming() as cursor:
            found = self._claim_found(cursor, values)
        self._slices.keep(QUICK_SECONDS)  # its handlers are called now
        return found

    def _claim_found(self, cursor: Any, values: Mapping[str, Any]) -> Found | None:
        found = found_by(cursor, self.statements.find_by_id, values)
        if (
            found is None
            or not found.is_pending
            or found.is_held
            or found.attempts >= values["max_attempts"]
        ):
            return None
        values = {**values, "message_key": found.message_key, "status": found.status}
        tried = self.statements.tried if found.is_due else self.statements.tried_early
        self.statements.claim.execute(cursor, values)
        tried.execute(cursor, values)
        self.statements.handlers.execute(cursor, values)
        return found.settled_by(cursor.fetchall())

    def claiming(self) -> Transaction:
        """The same for a claim: it does not wait for the disk while others wait for the file."""
        self.own()
        return WritingInTurn(self, self._begin_writing, self.turn, is_durable=False)

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work* in a transaction, together with other threads' work.

        What need not survive a power cut does not wait for the disk.  It does survive the
        process, and is on disk once any later durable transaction is.
        """
        self.own()  # before its turn
        if is_durable:
            self._look()  # when an event arrives; later steps use the same file
        else:
            self._slices.keep(BUSY_SECONDS)
        return self._batches.run(work, is_durable=is_durable)

    def is_seen(self, cursor: Any, values: Mapping[str, Any]) -> bool:
        """Whether the event was recorded before, so that a duplicate may write nothing."""
        self.statements.seen.execute(cursor, values)
        return cursor.fetchone() is not None

    def _insert_event(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        self.statements.insert_event.execute(cursor, values)
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def renew_claim(self, values: Callable[[], Mapping[str, Any]], *, seconds: float) -> bool:
        """Renew a claim that another thread holds, together with other writes."""
        return self.step(lambda cursor: self._renewed(cursor, values()), is_durable=False)

    @contextmanager
    def writing(self, *, patiently: bool = False, is_durable: bool = True) -> Generator[Connection]:
        """An SQLAlchemy connection in a transaction that may write from its first statement."""
        self._look()
        # The connection first: waiting for one during the turn would hold up all others.
        with self.translated(), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            speed = nullcontext() if is_durable else sqlite_connection.lazy(driver)
            with speed, self.turn, connection.begin():
                self._lock(connection)
                yield connection

    def compact(self) -> None:
        """Shrink the file to its contents; nobody can write until that is done."""
        self._look()
        with self.turn:
            super().compact()

    def back_up(self, path: Path, tell: Callable[[int, int], None]) -> None:
        """Write a snapshot of the database to a new file, without blocking anybody."""
        with self.snapshot() as connection:
            connection.exec_driver_sql("SELECT COUNT(*) FROM sqlite_schema")  # starts the snapshot
            write_backup(connection.connection.driver_connection, path, tell)

    def lock(self, connection: Connection) -> None:
        """Begin a transaction that may take long, and let the next process queue for the lock."""
        self._look()
        with self.turn:
            self._lock(connection)

    def _lock(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        with sqlite_connection.impatient(driver) as seconds:
            self._begin_writing(driver, connection.exec_driver_sql, seconds)

    def prepare(self, driver: Any) -> None:
        """Let the ledger, not SQLite, wait for locks on a kept connection."""
        driver.execute("PRAGMA busy_timeout = 0")

    def doubts(self) -> list[str]:
        """Pragmas with which SQLite may lose commits, or does not wait for locks."""
        with self.querying() as connection:
            return sqlite_connection.doubts(connection.connection.driver_connection)

    def times(self, *, lease: float | None = None, delay: float = 0) -> dict[str, Any]:
        """The parameters for the statements' times: SQLite's clock is this machine's."""
        now = datetime.now(UTC)
        text = self.moment(now)
        times = {"now": text, "due": text}
        if lease is not None:
            times["lease_end"] = self.moment(now + timedelta(seconds=lease))
            times["ahead"] = self.moment(now + CLOCKS_DIFFER)
        if delay:
            times["due"] = self.moment(now + timedelta(seconds=delay))
        return times

    def now(self, *, after: float = 0) -> Any:
        """This machine's clock, for a query; or *after* seconds later."""
        return datetime.now(UTC) + timedelta(seconds=after)

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver expects it."""
        return value.isoformat(" ", "microseconds")[:26]

    def before_fork(self) -> None:
        """Wait until no thread is writing, and close idle connections."""
        self.turn.pause()
        super().before_fork()

    def after_fork(self) -> None:
        """In the parent process: resume."""
        self.turn.resume()

    def leave_to_parent(self) -> None:
        """In the forked process: open its own connections, and use none of its parent's."""
        self.turn.leave()
        self._batches.leave()
        super().leave_to_parent()
