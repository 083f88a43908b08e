"""Connections: the driver's own to handle events, SQLAlchemy's for all else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import getpid
from typing import Any, ClassVar, Final, TypeVar, cast

from sqlalchemy import Connection, Engine, RootTransaction, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...exceptions import LedgerUnavailable
from ..records import IMPORTED_BY
from .dialects.timeouts import LONG_ANSWER_SECONDS, has_timed_out, patient
from .forks import Owner
from .pool import Kept, leave
from .transactions import Transaction

DEADLOCKS: Final = 3

T = TypeVar("T")


class ConnectionLost(LedgerUnavailable):
    """A connection was lost: the work can be retried on another.

    It may have been committed without an answer, so only idempotent work is retried.
    """


class Connections:
    """The connections of an engine, and their errors.

    :param is_own: only the ledger uses the engine, made by :func:`.registry.engine_from_url`.
    """

    take_turns = True
    """Whether kept connections are used in rotation."""

    time_out_attribute: ClassVar[str | None] = None
    """The attribute with the read time-out of a driver's connection, if the ledger made it."""

    conflicts: ClassVar[Collection[object]] = ()
    """The error codes of transactions aborted because of a conflict with another."""

    closes_inherited = False
    """Whether a forked process closes inherited connections; a server would end them for both."""

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        self._engine = engine
        self.driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self.integrity_error: type[Exception] = engine.dialect.loaded_dbapi.IntegrityError
        self.is_own = is_own
        self._kept = Kept(engine, self.prepare, in_turns=self.take_turns) if is_own else None
        if (kept := self._kept) is not None:
            event.listen(engine, "engine_disposed", lambda _: kept.close())
        # A host's engine may have connections opened before a fork.
        self._owner = Owner(self, getpid() if is_own else IMPORTED_BY)

    @property
    def engine(self) -> Engine:
        """The engine, without connections that another process has opened."""
        self.own()
        return self._engine

    def own(self) -> None:
        """Ensure that no connection is used that another process has opened."""
        if self._owner.pid != getpid():
            self._owner.change()

    def prepare(self, driver: Any) -> None:
        """Make a driver's new connection ready for :meth:`connect`."""

    def connect(self) -> Any:
        """A connection for a short transaction, with the methods that a pool's has."""
        self.own()
        return self._engine.raw_connection() if self._kept is None else self._kept.connect()

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction that may write from its first statement."""
        return Transaction(self)

    def claiming(self) -> Transaction:
        """The same for a claim, which need not survive a power cut: its holder does not either."""
        return self.transaction()

    def reading(self) -> Transaction:
        """A driver's cursor for one statement that reads."""
        return Transaction(self)

    @contextmanager
    def writing(self, *, patiently: bool = False, is_durable: bool = True) -> Generator[Connection]:
        """An SQLAlchemy connection in a transaction that may write from its first statement.

        :param patiently: its statements may take longer than those that handle an event.
        :param is_durable: whether it has to survive a power cut; if not, SQLite does not wait for
            the disk.
        """
        with (
            self.translated(),
            self.engine.connect() as connection,
            self.patient(connection) if patiently else nullcontext(),
            self.begin(connection),
        ):
            self.lock(connection)
            yield connection

    def forgetting(self) -> AbstractContextManager[Connection]:
        """The same for work that can be redone after a crash, and should not hold up others."""
        return self.writing(patiently=True, is_durable=False)

    @contextmanager
    def querying(self, *, patiently: bool = False) -> Generator[Connection]:
        """An SQLAlchemy connection to read with.

        :param patiently: its queries may take longer than those that handle an event.
        """
        with (
            self.translated(),
            self.engine.connect() as connection,
            self.patient(connection) if patiently else nullcontext(),
        ):
            yield connection

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """An SQLAlchemy connection whose queries share one snapshot, and may take long."""
        with self.querying(patiently=True) as connection:
            self.begin_snapshot(connection)
            yield connection

    def begin_snapshot(self, connection: Connection) -> None:
        """Begin a snapshot."""
        connection.connection.driver_connection.commit()  # type: ignore[union-attr]
        connection.execution_options(isolation_level="REPEATABLE READ")

    def begin(self, connection: Connection) -> RootTransaction:
        """Begin a transaction at READ COMMITTED, or the database's own level.

        The pool gets the connection back with the level it had.
        """
        return connection.begin()

    def lock(self, connection: Connection) -> None:
        """Begin to write, where that has to be explicit."""

    @contextmanager
    def translated(self) -> Generator[None]:
        """Raise the database's errors as :class:`LedgerUnavailable`."""
        try:
            yield
        except (self.driver_error, SQLAlchemyError) as error:
            raise self.translate(error) from error

    def translate(self, error: Exception, connection: Any = None) -> LedgerUnavailable:
        """The ledger's error for a driver's; drops all pooled connections if the server is gone.

        :param connection: the driver's, if the error bypassed SQLAlchemy.
        """
        is_lost = self._is_lost(error, connection)
        if is_lost:
            self._engine.dispose()
        # The first line only: the rest may show the values of a row.
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        if is_lost and not has_timed_out(error):
            return ConnectionLost(reason)
        return LedgerUnavailable(reason)

    def _is_lost(self, error: Exception, connection: Any) -> bool:
        if isinstance(error, DBAPIError):
            return error.connection_invalidated
        return isinstance(error, self.driver_error) and self._engine.dialect.is_disconnect(
            cast(Any, error), connection, None
        )

    def retried(self, work: Callable[[], T]) -> T:
        """Do *work*, which is idempotent; again if the database chose its transaction as a
        deadlock's victim, and once if its connection was lost, as an idle one may be."""
        deadlocks = losses = 0
        while True:
            try:
                return work()
            except ConnectionLost:
                losses += 1
                if losses > 1:
                    raise
            except LedgerUnavailable as error:
                deadlocks += 1
                if deadlocks > DEADLOCKS or not self.is_conflict(error.__cause__):
                    raise

    @staticmethod
    def code_of(error: BaseException) -> object:
        """The database's code for a driver's error, ``None`` if it has none."""
        return None

    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether a transaction was aborted by a conflict with another, and can be retried."""
        driver = getattr(error, "orig", error)  # the driver's error, if SQLAlchemy wrapped it
        return driver is not None and self.code_of(driver) in self.conflicts

    def patient(
        self, connection: Connection, seconds: float = LONG_ANSWER_SECONDS
    ) -> AbstractContextManager[None]:
        """Within the block, wait *seconds* for each answer, if there is a limit at all."""
        return patient(connection, self.time_out_attribute, seconds)

    def renew(self) -> None:
        """Stop using the open connections: idle ones now, the others once they are returned."""
        if self._kept is not None:
            self._kept.renew()
        self._engine.dispose()

    def before_fork(self) -> None:
        """Close idle connections."""
        if self._owner.pid == getpid():
            self._engine.dispose()

    def after_fork(self) -> None:
        """In the parent process: resume."""

    def leave_to_parent(self) -> None:
        """In the forked process: open its own connections, and use none of its parent's."""
        closing = self.closes_inherited
        if self._kept is not None:
            self._kept.leave(closing=closing)
        if not closing:
            leave(self._engine.pool)
        self._engine.dispose(close=closing)
