"""Transactions that write to a SQLite file, which takes one writer at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import DBAPIError

from ..pool import KeptConnection
from ..transactions import HasTransactions, Transaction
from . import sqlite_connection
from .writer_lock import Turn, ask_until


class BeginsWriting:
    """Begins transactions by taking SQLite's lock at once: after a read it might be refused.

    :param turn: the writer's turn; passed on once the lock is held.
    :param seconds: how long a kept connection retries the lock.
    :param driver_error: what the driver raises.
    """

    def __init__(self, turn: Turn, seconds: float, driver_error: type[Exception]) -> None:
        self._turn = turn
        self._seconds = seconds
        self._errors = (driver_error, DBAPIError)

    def __call__(self, driver: Any, execute: Callable[[str], Any], seconds: float | None) -> None:
        """Begin one.

        :param execute: executes a statement on the connection *driver*, which must not wait.
        :param seconds: how long to retry; ``None`` for a kept connection's.
        """
        if driver.in_transaction:
            return  # begun by a listener of the host
        refusal = self._refusal_of(execute)
        if refusal is not None:
            deadline = time.monotonic() + (self._seconds if seconds is None else seconds)
            if not ask_until(deadline, lambda: self._refusal_of(execute) is None):
                raise refusal
        self._turn.pass_on()

    def _refusal_of(self, execute: Callable[[str], Any]) -> Exception | None:
        """Begin a transaction; return SQLite's error if another holds the lock."""
        try:
            execute("BEGIN IMMEDIATE")
        except self._errors as error:
            # SQLAlchemy's errors wrap the driver's.
            name: str = getattr(getattr(error, "orig", error), "sqlite_errorname", "")
            if not name.startswith("SQLITE_BUSY"):
                raise
            return error
        return None


class WritingStep(Transaction):
    """A transaction of the turn's holder.

    :param begin: begins it.
    :param is_durable: its commit waits for the disk.
    """

    def __init__(
        self, database: HasTransactions, begin: BeginsWriting, *, is_durable: bool
    ) -> None:
        super().__init__(database)
        self._begin_writing = begin
        self._is_durable = is_durable

    def _begin(self, connection: Any) -> Any:
        cursor, driver = connection.cursor(), connection.driver_connection
        if isinstance(connection, KeptConnection):
            if connection.is_durable is not self._is_durable:
                cursor.execute(f"PRAGMA synchronous = {'FULL' if self._is_durable else 'NORMAL'}")
                connection.is_durable = self._is_durable
            self._begin_writing(driver, cursor.execute, None)
        else:
            with sqlite_connection.impatient(driver) as seconds:
                self._begin_writing(driver, cursor.execute, seconds)
        return cursor

    def _drop(self, error: BaseException) -> None:
        # Closing alone would leave the file locked for as long as a cursor is referenced, by the
        # error's traceback, say.
        with suppress(self._database.driver_error):
            self._connection.driver_connection.rollback()
        super()._drop(error)


class WritingInTurn(WritingStep):
    """One that waits for its turn."""

    def __init__(
        self, database: HasTransactions, begin: BeginsWriting, turn: Turn, *, is_durable: bool
    ) -> None:
        super().__init__(database, begin, is_durable=is_durable)
        self._turn = turn

    def __enter__(self) -> Any:
        self._turn.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self._turn.__exit__()
            raise

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._turn.__exit__()
