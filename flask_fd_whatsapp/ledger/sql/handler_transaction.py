"""The transaction of one handler: opened on first use, ended with the handler."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from threading import RLock
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, NestedTransaction, RootTransaction
from sqlalchemy import event as events
from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import FreshdeskWhatsAppError, TransactionFailed
from .dialects.base import Database
from .dialects.timeouts import LONG_ANSWER_SECONDS

T = TypeVar("T")

END_SECONDS: Final = 10.0
"""How long a handler's end waits for a statement that one of its threads is executing."""

_ALTERS_SESSION: Final = re.compile(
    r"""(?:^|;)\s*(?:
          SET\b(?!\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\b)
        | (?:RESET|(?:UN)?LISTEN|PREPARE|USE|LOAD|LOCK\s+TABLES?|PRAGMA|ATTACH)\b )
      | \bTEMP(?:ORARY)?\s+(?:TABLE|VIEW|SEQUENCE)\b
      | \b(?:set_config|pg_(?:try_)?advisory_lock(?:_shared)?|get_lock)\s*\(""",
    re.IGNORECASE | re.VERBOSE,
)
"""Statements whose effect on the connection outlasts the transaction."""


class HandlerTransaction:
    """Commits one handler's writes together with the record of its success.

    Any thread of the handler may use it while the handler runs; statements of several threads
    are serialised.  Once the handler has ended, using it raises an error.

    A connection whose session the handler has altered (``SET search_path``, ``LISTEN``, temporary
    tables, advisory locks) is closed at the end and not reused for the next event.  Changes made
    by a stored procedure go unnoticed.

    :param seconds: how long a statement may take where the connection is the ledger's own: as long
        as a handler may, ``None`` for no limit.
    """

    def __init__(self, database: Database, seconds: float | None) -> None:
        self._database = database
        self._seconds = LONG_ANSWER_SECONDS if seconds is None else seconds
        self._patience = ExitStack()
        self._lock = RLock()
        self._connection: Connection | None = None
        self._has_ended = False
        self._was_ended_by_hand = False
        self._is_altered = False
        self.had_conflict = False
        """The database aborted it for another's: a deadlock, or a serialisation failure."""

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection, in a transaction at READ COMMITTED (or SQLite's own level).

        :raises FreshdeskWhatsAppError: once the handler has ended.
        """
        with self:
            if self._connection is None:
                self._connection = self._open()
            return self._connection

    @property
    def is_open(self) -> bool:
        """Whether the handler has opened it, and not ended."""
        return self._connection is not None

    def __enter__(self) -> None:
        """Keep other threads from using the connection, and the handler from ending."""
        self._lock.acquire()
        if self._has_ended:
            self._lock.release()
            raise FreshdeskWhatsAppError(_ENDED)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if self._database.is_conflict(error):
                self.had_conflict = True
            if self._has_ended:  # without waiting any longer for this statement
                self._discard()
        finally:
            self._lock.release()

    def end(self) -> bool:
        """Close it to further use.

        :return: whether it had been opened.
        :raises TransactionFailed: if a thread is still executing a statement; that thread then
            rolls back.
        """
        is_free = self._lock.acquire(timeout=0 if self._has_ended else END_SECONDS)
        self._has_ended = True
        if not is_free and not self._lock.acquire(blocking=False):
            raise TransactionFailed(_IN_USE)
        self._lock.release()
        return self._connection is not None

    def commit(self, write: Callable[[Any], T]) -> T:
        """After the end, write something more and commit it all, or else roll it all back.

        :param write: called with a cursor of the driver.
        :raises TransactionFailed: if it cannot be committed.
        """
        connection = cast(Connection, self._connection)
        try:
            if self._was_ended_by_hand or not connection.in_transaction():
                raise TransactionFailed(_BY_HAND)
            if self.had_conflict and self._database.conflict_ends_transaction:
                raise TransactionFailed(_GIVEN_UP)
            self._allow(connection)
            result = write(connection.connection.cursor())
            connection.commit()
        except (SQLAlchemyError, self._database.driver_error) as error:
            self.had_conflict = self.had_conflict or self._database.is_conflict(error)
            self._discard()
            raise TransactionFailed(_NOT_COMMITTED) from error
        except BaseException:
            self._discard()
            raise
        self._close(connection)
        return result

    def roll_back(self) -> None:
        """End it and roll back what was written; never raises, whatever its state."""
        with suppress(TransactionFailed):
            self.end()
            self._discard()

    def _open(self) -> Connection:
        connection = _HandlerConnection(self._database.engine, self)
        try:
            self._patience.enter_context(self._database.patient(connection, self._seconds))
            self._database.begin(connection)
            self._database.lock(connection)
            for name in ("commit", "rollback"):
                events.listen(connection, name, self._refuse_by_hand)
            events.listen(connection, "before_cursor_execute", self._look_at)
        except BaseException:
            self._patience.close()
            connection.close()
            raise
        return connection

    def _look_at(self, connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if _ALTERS_SESSION.search(statement):
            self._is_altered = True

    def _refuse_by_hand(self, connection: Connection) -> None:
        self._was_ended_by_hand = True
        raise TransactionFailed(_BY_HAND)

    def _allow(self, connection: Connection) -> None:
        for name in ("commit", "rollback"):
            if events.contains(connection, name, self._refuse_by_hand):
                events.remove(connection, name, self._refuse_by_hand)

    def _discard(self) -> None:
        """Roll back at the driver: SQLAlchemy does not after a commit that failed or was refused,
        and would hand the open transaction to the connection's next user.

        One thread at a time: the handler's own and one that found it hanging may both get here,
        and the second must not roll back a connection that the pool has since handed out.
        """
        with self._lock:
            connection = self._connection
            if connection is None or connection.closed:
                return
            self._allow(connection)
            try:
                connection.connection.rollback()
            except Exception:  # the backend is gone, or the handler broke the connection
                with suppress(Exception):
                    connection.invalidate()
            with suppress(Exception):
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._patience.close()
        if self._is_altered:
            connection.invalidate()
        connection.close()


class _HandlerConnection(Connection):
    """A connection that one thread uses at a time, and none once the handler has ended."""

    def __init__(self, engine: Any, transaction: HandlerTransaction) -> None:
        self._use = transaction
        super().__init__(engine)

    def begin(self) -> RootTransaction:
        with self._use:
            return super().begin()

    def begin_nested(self) -> NestedTransaction:
        with self._use:
            return super().begin_nested()

    def execute(self, *arguments: Any, **options: Any) -> Any:
        with self._use:
            return super().execute(*arguments, **options)

    def exec_driver_sql(self, *arguments: Any, **options: Any) -> Any:
        with self._use:
            return super().exec_driver_sql(*arguments, **options)

    def scalar(self, *arguments: Any, **options: Any) -> Any:
        with self._use:
            return super().scalar(*arguments, **options)

    def scalars(self, *arguments: Any, **options: Any) -> Any:
        with self._use:
            return super().scalars(*arguments, **options)


_BY_HAND: Final = (
    "Do not commit, roll back or close current_ledger.transaction: the ledger does so together "
    "with recording the handler's success. Raise an exception to roll back."
)
_ENDED: Final = (
    "The handler whose current_ledger.transaction this was has ended, and its transaction with "
    "it: nothing that a thread writes afterwards can be committed. Wait in the handler for the "
    "threads that use it."
)
_GIVEN_UP: Final = (
    "The database rolled back what the handler had written through current_ledger.transaction, to "
    "resolve a deadlock, but the handler continued."
)
_IN_USE: Final = (
    "The handler ended while one of its threads was executing a statement on "
    f"current_ledger.transaction, which did not finish within {END_SECONDS:g} seconds. Wait in the "
    "handler for the threads that use it."
)
_NOT_COMMITTED: Final = (
    "What the handler wrote through current_ledger.transaction could not be committed."
)
