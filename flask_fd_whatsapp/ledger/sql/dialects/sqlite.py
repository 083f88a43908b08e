"""What is different on SQLite: one writer at a time, and no server whose clock to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ....exceptions import LedgerUnavailable
from ..connections import Transaction
from ..pool import KeptConnection
from ..statements import statements_for
from . import pragmas
from .base import CLOCKS_DIFFER, Database
from .database_file import DatabaseFile, file_of
from .engines import BUSY_SECONDS
from .group_commit import Batches
from .writer_lock import Turn, ask_until

T = TypeVar("T")


class SQLite(Database):
    """SQLite through the ``sqlite3`` module."""

    is_sqlite = True
    compacting = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
    compacts = (
        "VACUUM writes the file anew: until that is done nobody else can write, so that posts are "
        "answered with 503 and come again, and as much free space is needed as the file has."
    )
    take_turns = False  # what was used last has the most in its cache
    # As long as one of before the fork is open, SQLite takes the parent's locks on the file for
    # this process's own.  To close it does not take them from the parent.
    closes_inherited = True

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, statements_for("sqlite"), is_own=is_own)
        # What the URL says of waiting for SQLite's lock goes for the queue before it, too.
        timeout = engine.url.query.get("timeout") if is_own else None
        seconds = float(timeout) if isinstance(timeout, str) else BUSY_SECONDS
        self.turn = Turn(f"{engine.url.database}-turn" if is_own else None, seconds)
        self._busy_seconds = seconds
        path = file_of(engine.url.database)
        self._file = DatabaseFile(path, self.renew) if path else None
        self._batches = Batches(
            self.turn, lambda is_durable: _Step(self, is_durable=is_durable), seconds
        )

    def renew(self) -> None:
        """Open new connections, to a file that may have other tables."""
        self.is_prepared = False
        super().renew()

    def require_suitable(self) -> None:
        """See that the file was not removed while it was in use."""
        self._look()

    def translate(self, error: Exception, connection: Any = None) -> LedgerUnavailable:
        """What to say of an error; of one of the file, with its path."""
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

    reports_by_page = True  # since the WAL could not be cut off meanwhile

    def begin_snapshot(self, connection: Connection) -> None:
        """Begin a transaction, which sees one moment from its first query on."""
        connection.exec_driver_sql("BEGIN")

    def folds(self, connection: Connection) -> Any:
        """The last row that pruning wrote."""
        return connection.scalar(text("SELECT MAX(rowid) FROM fd_whatsapp_forgotten"))

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction that may write from its first statement."""
        self.own()  # before its turn
        return _Writing(self, is_durable=True)

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work* in a transaction, together with what other threads want to do.

        What need not outlive a power cut does not wait for the disk.  It does outlive the
        process, and is on disk as soon as something later is that has to be.
        """
        self.own()  # before its turn
        if is_durable:
            self._look()  # as an event comes in; the rest of its way goes to the same file
        return self._batches.run(work, is_durable=is_durable)

    def is_seen(self, cursor: Any, values: Mapping[str, Any]) -> bool:
        """Whether the event was recorded before, so that a duplicate may write nothing."""
        self.statements.seen.execute(cursor, values)
        return cursor.fetchone() is not None

    def _insert_event(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        self.statements.insert_event.execute(cursor, values)
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def extend(self, values: Callable[[], Mapping[str, Any]], *, seconds: float) -> bool:
        """Renew a claim that another thread works under, with what else there is to write."""
        return self.step(lambda cursor: self._extended(cursor, values()), is_durable=False)

    @contextmanager
    def writing(self, *, patiently: bool = False) -> Generator[Connection]:
        """An SQLAlchemy connection in a transaction that may write from its first statement."""
        self._look()
        # The connection first: to wait for one in one's turn would hold up all others.
        with self.translated(), self.engine.connect() as connection, self.turn, connection.begin():
            self._lock(connection)
            yield connection

    @contextmanager
    def forgetting(self) -> Generator[Connection]:
        """The same for what may be done again after a power cut: it does not wait for the disk."""
        self._look()
        with self.translated(), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with pragmas.lazy(driver), self.turn, connection.begin():
                self._lock(connection)
                yield connection

    def compact(self) -> None:
        """Make the file as small as what is in it; nobody can write until that is done."""
        self._look()
        with self.turn:
            super().compact()

    def lock(self, connection: Connection) -> None:
        """Begin a transaction that may take long; then it is the next one's turn to wait."""
        self._look()
        with self.turn:
            self._lock(connection)

    def _lock(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        with pragmas.impatient(driver) as seconds:
            self.begin_writing(driver, connection.exec_driver_sql, seconds)

    def prepare(self, driver: Any) -> None:
        """Let a kept connection leave the waiting for another's lock to the ledger."""
        driver.execute("PRAGMA busy_timeout = 0")

    def begin_writing(
        self, driver: Any, execute: Callable[[str], Any], seconds: float | None
    ) -> None:
        """Take SQLite's lock at once: a transaction that read first may not get it.

        :param execute: executes a statement on the connection *driver*, which must not wait.
        :param seconds: how long to ask again; ``None`` for a kept connection's.
        """
        if driver.in_transaction:
            return  # by a listener of the host's
        refusal = self._refusal_of(execute)
        if refusal is not None:
            deadline = time.monotonic() + (self._busy_seconds if seconds is None else seconds)
            if not ask_until(deadline, lambda: self._refusal_of(execute) is None):
                raise refusal
        self.turn.pass_on()

    def _refusal_of(self, execute: Callable[[str], Any]) -> Exception | None:
        """What SQLite says if another has the lock; else the transaction has begun."""
        try:
            execute("BEGIN IMMEDIATE")
        except (self.driver_error, DBAPIError) as error:
            if not _is_busy(error):
                raise
            return error
        return None

    def doubts(self) -> list[str]:
        """Pragmas with which SQLite forgets, or waits for nobody."""
        with self.querying() as connection:
            return pragmas.doubts(connection.connection.driver_connection)

    def times(self, *, lease: float | None = None, delay: float = 0) -> dict[str, Any]:
        """The parameters of the statements' times: SQLite's clock is this machine's."""
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
        """This machine's clock, for a query; or so many seconds later."""
        return datetime.now(UTC) + timedelta(seconds=after)

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver takes it."""
        return value.isoformat(" ", "microseconds")[:26]

    def before_fork(self) -> None:
        """Let no thread be in the middle of writing, and close what is in nobody's use."""
        self.turn.pause()
        super().before_fork()

    def after_fork(self) -> None:
        """In the process that forked: go on."""
        self.turn.resume()

    def leave_to_parent(self) -> None:
        """In the forked process: open connections of its own, and use none of its parent's."""
        self.turn.leave()
        self._batches.leave()
        super().leave_to_parent()


def _is_busy(error: Exception) -> bool:
    """Whether another has the lock; of SQLAlchemy's errors the driver's tells."""
    name = getattr(getattr(error, "orig", error), "sqlite_errorname", "")
    return bool(name.startswith("SQLITE_BUSY"))


class _Step(Transaction):
    """A transaction of whoever has the turn."""

    _database: SQLite

    def __init__(self, database: SQLite, *, is_durable: bool) -> None:
        super().__init__(database)
        self._is_durable = is_durable

    def _begin(self, connection: Any) -> Any:
        cursor, driver = connection.cursor(), connection.driver_connection
        if isinstance(connection, KeptConnection):
            if connection.is_durable is not self._is_durable:
                cursor.execute(f"PRAGMA synchronous = {'FULL' if self._is_durable else 'NORMAL'}")
                connection.is_durable = self._is_durable
            self._database.begin_writing(driver, cursor.execute, None)
        else:
            with pragmas.impatient(driver) as seconds:
                self._database.begin_writing(driver, cursor.execute, seconds)
        return cursor


class _Writing(_Step):
    """One that waits for its turn."""

    def __enter__(self) -> Any:
        turn = self._database.turn
        turn.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            turn.__exit__()
            raise

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._database.turn.__exit__()
