"""What is different on PostgreSQL: each step of an event's way is one statement.

It commits by itself, so that a step is one round trip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction

from .connections import Transaction
from .database import Database
from .rows import Found, Handled, Inserted
from .single_statements import SingleStatements, single_statements

T = TypeVar("T")


class PostgreSQL(Database):
    """PostgreSQL, through psycopg or another driver that has ``autocommit``."""

    statements: SingleStatements

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, single_statements(), is_own=is_own)
        self._alone: type[Transaction] | None = None

    def prepare(self, driver: Any) -> None:
        """Let what a kept connection executes commit by itself."""
        driver.autocommit = True

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction of several statements."""
        return _Several(self)

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work*, which is one statement and commits by itself.

        It knows by itself, too, whether to wait for the disk.
        """
        with self._alone_at_read_committed() as cursor:
            return work(cursor)

    def _alone_at_read_committed(self) -> Transaction:
        """Statements that commit by themselves, unless the server's default level is another."""
        if self._alone is None:
            with _Autocommit(self) as cursor:
                cursor.execute("SHOW default_transaction_isolation")
                is_default = cursor.fetchone()[0] == "read committed"
            self._alone = _Autocommit if is_default else _Several
        return self._alone(self)

    def begin(self, connection: Connection) -> RootTransaction:
        """Begin a transaction at READ COMMITTED; the level is the driver's to send with BEGIN."""
        if not self.is_own or self.engine.dialect.default_isolation_level != "READ COMMITTED":
            # What a listener of the host's began; else nothing is sent.
            connection.connection.driver_connection.commit()  # type: ignore[union-attr]
            connection.execution_options(isolation_level="READ COMMITTED")
        return connection.begin()

    def reading(self) -> Transaction:
        """A cursor whose statements commit by themselves."""
        return _Autocommit(self)

    def insert(self, cursor: Any, values: dict[str, Any]) -> Inserted:
        """Record an event and what it does to its message, and claim that if it is free."""
        cursor.execute(self.statements.insert, values)
        return Inserted._make(cursor.fetchone())

    def complete(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes, end the claim and the event; nothing, and false, if it is another's."""
        return self._record(cursor, self.statements.complete, values, handled)

    def claim_pending(self, values: Mapping[str, Any]) -> tuple[Found, frozenset[str]] | None:
        """Claim a pending event's message and count the try, in two statements.

        The second sees all that the one who had the message before has written.
        """
        with self._alone_at_read_committed() as cursor:
            cursor.execute(self.statements.claim_of, values)
            claimed = cursor.fetchone()
            if claimed is None:
                return None
            values = {**values, "message_key": claimed[0]}
            cursor.execute(self.statements.begin_try, values)
            row = cursor.fetchone()
            if row is None:
                self.release(cursor, values, ())
                return None
            *found, handlers = row
            return Found._make(found), frozenset(handlers)

    def _record(
        self, cursor: Any, statement: str, values: Mapping[str, Any], handled: Sequence[Handled]
    ) -> bool:
        # One text: the driver takes longer for lists.
        text = json.dumps({one.handler: one.is_superseded for one in handled})
        cursor.execute(statement, {"is_durable": True, **values, "handled": text})
        return bool(cursor.rowcount == 1)

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver takes it."""
        return value


class _Autocommit(Transaction):
    """Each statement commits by itself."""

    def _begin(self, connection: Any) -> Any:
        driver = connection.driver_connection
        self._did_before = driver.autocommit  # a kept one, or of an engine of the host's set to it
        if not self._did_before:
            driver.commit()  # what a listener of the host's began; else nothing is sent
            driver.autocommit = True
        return connection.cursor()

    def _commit(self, connection: Any) -> None:
        if not self._did_before:
            connection.driver_connection.autocommit = False


class _Several(_Autocommit):
    """Statements that commit together, at a level that is not left to the engine."""

    def _begin(self, connection: Any) -> Any:
        cursor = super()._begin(connection)
        cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        return cursor

    def _commit(self, connection: Any) -> None:
        connection.cursor().execute("COMMIT")
        super()._commit(connection)
