"""What differs on MariaDB."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from flask import Flask
from sqlalchemy import (
    BigInteger,
    Insert,
    Integer,
    Select,
    String,
    Table,
)
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.engine import URL, Connection, Engine, RootTransaction
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql import ColumnElement, and_, cast, func, literal, text

from ....exceptions import LedgerUnavailable
from ..statement_parameters import by_name
from ..statements import Statements, statements_for
from ..tables import metadata
from ..transactions import Transaction
from . import mariadb_connection
from .base import Database
from .dialect_sql import DialectSQL
from .mariadb_changes import DEADLOCK, MariaDBChanges

OLDEST: Final = (10, 6)
"""The first version with RETURNING and SKIP LOCKED."""

_NEEDED: Final = (
    f"A ledger needs MariaDB {'.'.join(map(str, OLDEST))} or later, which has RETURNING and SKIP "
    "LOCKED; MySQL is a different database and lacks the former."
)

_UNSUITABLE_MODES: Final = frozenset({"SIMULTANEOUS_ASSIGNMENT", "EMPTY_STRING_IS_NULL", "ORACLE"})
"""Each gives the ledger's statements another meaning: with the first, claims would never expire."""

_READ_COMMITTED: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

_CHANGED: Final = 1020
"""The error number of a write to a row that has changed since the transaction's snapshot."""

_IN_TRANSACTION: Final = 1568
"""The error number of setting an isolation level in the middle of a transaction."""

# MariaDB assigns from left to right: claim_token is already the new one when claim_until is set,
# and error_message sees the new error_code, either the event's own or the one before.
_SQL: Final = DialectSQL(
    now="UTC_TIMESTAMP(6)",
    lease_end="UTC_TIMESTAMP(6) + INTERVAL :lease * 1000000 MICROSECOND",
    due="UTC_TIMESTAMP(6) + INTERVAL :delay * 1000000 MICROSECOND",
    age="TIMESTAMPDIFF(MICROSECOND, COALESCE(revived_at, received_at), UTC_TIMESTAMP(6)) / 1000000",
    message="fd_whatsapp_message",
    on_conflict="ON DUPLICATE KEY UPDATE",
    on_seen="",
    old="",
    new="VALUES({})",
    if_claimed=(
        "CASE WHEN claim_token = VALUES(claim_token) THEN VALUES({column}) ELSE {column} END"
    ),
)

_LONGEST_TEXT: Final = 16 * 1024 * 1024
"""The most bytes of times in one text; a slice of a report needs a tenth of that at most."""

_RECORDINGS: Final = """
SELECT id, query_id FROM information_schema.processlist
WHERE db = DATABASE() AND id <> CONNECTION_ID()
  AND LOCATE('INSERT INTO fd_whatsapp_message', info) > 0
"""


class MariaDB(Database):
    """InnoDB, through PyMySQL or another driver that supports ``%(name)s``."""

    dialects = ("mariadb", "mysql")
    # The latter is SQLAlchemy's older name for it; MySQL servers are refused at first use.
    changes = MariaDBChanges()
    compares_bytes = True
    time_out_attribute = "_read_timeout"  # PyMySQL's
    conflicts = (DEADLOCK, _CHANGED)
    compacting = tuple(f"OPTIMIZE TABLE {name}" for name in metadata.tables)
    compacts = (
        "OPTIMIZE TABLE rebuilds the tables: others continue meanwhile, except for a moment at "
        "the beginning and end of each, and it needs as much free space as the largest table "
        "takes."
    )
    backup_tool = "mariadb-dump --single-transaction --result-file=FILE DATABASE"
    conflict_ends_transaction = True

    @classmethod
    def new_statements(cls) -> Statements:
        """The statements that handle events, in its dialect."""
        return statements_for(_SQL, by_name)

    @classmethod
    def new_engine(cls, url: URL, app: Flask) -> Engine:
        """An engine used only by the ledger."""
        return mariadb_connection.new_engine(url)

    @staticmethod
    def code_of(error: BaseException) -> object:
        """The server's error number."""
        return error.args[0] if error.args else None

    def upsert(
        self,
        table: Table,
        key: Mapping[str, Any],
        first: Mapping[str, Any],
        again: Mapping[str, Any],
    ) -> Insert:
        """Insert a row or update the existing one, in one statement."""
        return insert(table).values(**key, **first).on_duplicate_key_update(dict(again))

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction at READ COMMITTED."""
        return Transaction(self) if self.is_own else _ReadCommitted(self)

    def leads(self, column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
        """As a range: by equality it would read every match, whatever bounds the next column."""
        return and_(column >= value, column <= value)

    def report_time(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """As text: PyMySQL takes twelve times as long to parse it into a datetime."""
        return cast(column, String(26))

    measures_in_texts = True

    def microseconds(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        """From the beginning of the year 2000."""
        start = literal(datetime(2000, 1, 1, tzinfo=UTC), column.type)
        return func.timestampdiff(text("MICROSECOND"), start, column, type_=BigInteger)

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """One in which a text of many times is not cut off."""
        limit = "@@SESSION.group_concat_max_len"
        with super().snapshot() as connection:
            cursor: Any = connection.connection.cursor()
            cursor.execute(f"SELECT {limit}")
            (before,) = cursor.fetchone()
            cursor.execute(f"SET {limit} = {_LONGEST_TEXT}")
            try:
                yield connection
            finally:
                with suppress(self.driver_error):  # the connection may be lost, and the limit too
                    cursor.execute(f"SET {limit} = {before}")

    def using(self, query: Select[Any], table: Table, index: str) -> Select[Any]:
        """With a hint: it scans the table for all but a few of its rows."""
        for dialect in self.dialects:
            query = query.with_hint(table, f"FORCE INDEX ({index})", dialect)
        return query

    def place_among(
        self, column: ColumnElement[Any], starts: Sequence[datetime]
    ) -> ColumnElement[int]:
        """How many of *starts*, which are sorted, are at or before a time."""
        seconds = (func.to_seconds(literal(start, column.type)) for start in starts)
        return func.interval(func.to_seconds(column), *seconds, type_=Integer)

    def recordings(self, connection: Connection) -> set[Any]:
        """The statements now writing messages; other users' are not visible."""
        return set(map(tuple, connection.exec_driver_sql(_RECORDINGS)))

    def begin(self, connection: Connection) -> RootTransaction:
        """Begin a transaction at READ COMMITTED, which the ledger's own connections have anyway."""
        transaction = connection.begin()
        if not self.is_own:
            self.begin_read_committed(connection.connection)
        return transaction

    def begin_read_committed(self, connection: Any) -> None:
        """Begin a transaction on the host's connection; only this one has the level."""
        cursor = connection.cursor()
        try:
            cursor.execute(_READ_COMMITTED)
        except self.driver_error as error:
            if self.code_of(error) != _IN_TRANSACTION:
                raise
            connection.commit()  # what a listener of the host began
            cursor.execute(_READ_COMMITTED)
        if _commits_by_itself(connection.driver_connection):
            cursor.execute("START TRANSACTION")
        cursor.close()

    def require_suitable(self) -> None:
        """Check that it is MariaDB, with a mode and a character set that suit the ledger."""
        query = "SELECT VERSION(), @@sql_mode, @@character_set_client, @@character_set_connection"
        try:
            with self.querying() as connection:
                version, modes, *sets = connection.exec_driver_sql(query).one()
        except LedgerUnavailable as error:
            if isinstance(error.__cause__, InvalidRequestError):  # a dialect for MariaDB only
                raise LedgerUnavailable(f"{error} {_NEEDED}") from error
            raise
        number = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+).*mariadb", version, re.IGNORECASE)
        if number is None or tuple(map(int, number.groups())) < OLDEST:
            raise LedgerUnavailable(f"The server is {version}. {_NEEDED}")
        if unsuitable := _UNSUITABLE_MODES.intersection(modes.split(",")):
            raise LedgerUnavailable(
                f"The server's sql_mode contains {', '.join(sorted(unsuitable))}, which gives SQL "
                "another meaning: remove it, or choose a mode for these connections, such as "
                "init_command=SET SESSION sql_mode='TRADITIONAL' in the engine's URL."
            )
        for found in sets:
            if found != "utf8mb4":
                raise LedgerUnavailable(
                    f"The connection's character set is {found}, which lacks emoji and other "
                    "characters used in names and messages: write charset=utf8mb4 in the engine's "
                    "URL, or remove charset."
                )

    def doubts(self) -> list[str]:
        """A setting with which InnoDB may lose commits."""
        query = "SELECT @@innodb_flush_log_at_trx_commit"
        with self.querying() as connection:
            found = connection.exec_driver_sql(query).scalar()
        doubt = (
            f"MariaDB's innodb_flush_log_at_trx_commit is {found}: set it to 1, or a power cut "
            "loses events that were answered with 200."
        )
        return [] if found == 1 else [doubt]

    def _insert_event(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        # There is no ON CONFLICT; InnoDB undoes only the statement that failed.
        with suppress(self.integrity_error):
            return super()._insert_event(cursor, values)
        return None

    def now(self, *, after: float = 0) -> Any:
        """The database's clock, for a query; or *after* seconds later."""
        now = func.utc_timestamp(6)
        return func.timestampadd(text("SECOND"), after, now) if after else now


class _ReadCommitted(Transaction):
    """A transaction on one of the host's connections."""

    _database: MariaDB

    def _begin(self, connection: Any) -> Any:
        self._database.begin_read_committed(connection)
        return connection.cursor()


def _commits_by_itself(driver: Any) -> bool:
    """Whether the connection is in autocommit mode, whatever its driver calls that."""
    ask = getattr(driver, "get_autocommit", None)
    return bool(ask() if ask is not None else driver.autocommit)
