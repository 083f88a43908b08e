"""Connections and transactions: a driver's on the way of an event, SQLAlchemy's for all else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine, event, func
from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import LedgerUnavailable
from .forks import care_for_forks
from .kept import Kept
from .rows import Found, Handled, Inserted
from .statements import Statements

DEADLOCKS: Final = 3

T = TypeVar("T")


class Database:
    """An engine with what the ledger needs of it, for every database the same.

    The class of each says what is different there.

    :param is_own: the engine is the ledger's alone, and made by :func:`.engines.engine_from_url`.
    """

    is_sqlite = False
    is_mariadb = False

    looks_first = False
    """Whether a duplicate is looked for before anything is written."""

    def __init__(self, engine: Engine, statements: Statements, *, is_own: bool) -> None:
        self.engine = engine
        self.statements = statements
        self.driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self.integrity_error: type[Exception] = engine.dialect.loaded_dbapi.IntegrityError
        self._kept = Kept(engine, self.prepare, in_turns=not self.is_sqlite) if is_own else None
        if (kept := self._kept) is not None:
            event.listen(engine, "engine_disposed", lambda _: kept.close())
        care_for_forks(self)

    def prepare(self, driver: Any) -> None:
        """Make a driver's new connection ready for :meth:`connect`."""

    def connect(self) -> Any:
        """A connection for a short transaction, with the methods that a pool's has."""
        return self.engine.raw_connection() if self._kept is None else self._kept.connect()

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction that may write from its first statement."""
        return Transaction(self)

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work*, which calls one of the methods below with a cursor, in a transaction.

        :param is_durable: whether it has to outlive a power cut, or a crash of the server.
        """
        with self.transaction() as cursor:
            return work(cursor)

    def reading(self) -> Transaction:
        """A driver's cursor for one statement that reads."""
        return Transaction(self)

    def insert(self, cursor: Any, values: dict[str, Any]) -> Inserted:
        """Record an event and what it does to its message, and claim that if it is free.

        The message comes first and with it the row's lock, so that events of one message follow
        each other.
        """
        cursor.execute(self.statements.upsert, values)
        inserted = Inserted._make((*cursor.fetchone(), None))
        values = {
            **values,
            "message_key": inserted.key,
            "previous_status": inserted.previous_status,
            "is_stale": inserted.is_stale(values["status"]),
            "attempts": int(inserted.holder is not None and inserted.holder == values["token"]),
        }
        return inserted._replace(event_id=self._insert_event(cursor, values))

    def _insert_event(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        cursor.execute(self.statements.insert_event, values)
        row = cursor.fetchone()
        return int(row[0]) if row else None

    def claim_pending(self, values: Mapping[str, Any]) -> tuple[Found, frozenset[str]] | None:
        """Claim a pending event's message and count the try, where that takes few round trips.

        :param values: the event's id, the token, the most attempts, and the times.
        :return: the event as it was, and the handlers that have succeeded; ``None``, and nothing
            has changed, if it is not to be had, or not in this way.
        """
        return None

    def succeed(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes and renew the claim; nothing, and false, if it is another's.

        :param values: the claim and the times; ``is_durable`` if it is not, as for :meth:`step`.
        """
        return self._record(cursor, self.statements.renew, values, handled)

    def release(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes and end the claim; nothing, and false, if it is another's."""
        return self._record(cursor, self.statements.release, values, handled)

    def complete(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """The same, and the event is done."""
        if not self.release(cursor, values, handled):
            return False
        cursor.execute(self.statements.done, values)
        return True

    def _record(
        self, cursor: Any, statement: str, values: Mapping[str, Any], handled: Sequence[Handled]
    ) -> bool:
        cursor.execute(statement, values)
        if cursor.rowcount != 1:
            return False
        for one in handled:
            cursor.execute(self.statements.handled, {**values, **one._asdict()})
        return True

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

    def lock(self, connection: Connection) -> None:
        """Begin to write, where that has to be said."""

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
        """In what the engine, which may be the host's, does not keep what it is told to."""
        return []

    def times(self, *, lease: float = 0, delay: float = 0) -> dict[str, Any]:
        """The parameters of the statements' times: now, and seconds from now."""
        return {"lease": lease, "delay": delay}

    def now(self) -> Any:
        """The database's clock, for a query."""
        return func.statement_timestamp()

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver takes it."""
        return value.replace(tzinfo=None)

    def before_fork(self) -> None:
        """Close the connections that are in nobody's use."""
        self.engine.dispose()

    def after_fork(self) -> None:
        """In the process that forked: go on."""

    def leave_to_parent(self) -> None:
        """In the forked process: open connections of its own, and do not touch its parent's."""
        if self._kept is not None:
            self._kept.leave()
        self.engine.dispose(close=False)


class Transaction:
    """Committed at the end of the ``with`` block, rolled back if that raises.

    What the driver raises comes out as :class:`LedgerUnavailable`.  A class, since a generator
    costs more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Any:
        try:
            self._connection = self._connect()
        except (self._database.driver_error, SQLAlchemyError) as error:
            raise self._database.translate(error) from error
        try:
            return self._begin(self._connection)
        except BaseException as error:
            self._end(error)
            raise

    def _connect(self) -> Any:
        return self._database.connect()

    def _begin(self, connection: Any) -> Any:
        return connection.cursor()

    def _commit(self, connection: Any) -> None:
        connection.commit()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            try:
                self._commit(self._connection)
            except BaseException as failure:
                self._drop(failure)
                raise
            self._connection.close()
        else:
            self._drop(error)

    def _drop(self, error: BaseException) -> None:
        """Close the connection; an error of the driver's is raised as the ledger's."""
        database, connection = self._database, self._connection
        try:
            if isinstance(error, database.driver_error):
                raise database.translate(error, connection.driver_connection) from error
        finally:
            connection.invalidate()


def _is_deadlock(error: BaseException | None) -> bool:
    """PostgreSQL's SQLSTATE 40P01 and MariaDB's 1213, or what stricter isolation has."""
    error = getattr(error, "orig", error)  # the driver's, where it came through SQLAlchemy
    return getattr(error, "sqlstate", None) in ("40P01", "40001") or (
        error is not None and error.args[:1] in ((1213,), (1020,))
    )
