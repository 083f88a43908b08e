"""What is different on MariaDB."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RootTransaction,
    String,
    cast,
    func,
    text,
)
from sqlalchemy.exc import InvalidRequestError

from ....exceptions import LedgerUnavailable
from ..connections import Transaction
from ..statements import statements_for
from ..tables import metadata
from .base import Database

OLDEST: Final = (10, 6)
"""The version from which on it has RETURNING and SKIP LOCKED."""

_NEEDED: Final = (
    f"A ledger needs MariaDB {'.'.join(map(str, OLDEST))} or later, which has RETURNING and SKIP "
    "LOCKED; MySQL is another database and lacks the former."
)


class MariaDB(Database):
    """InnoDB, through PyMySQL or another driver that takes ``%(name)s``."""

    is_mariadb = True
    compacting = tuple(f"OPTIMIZE TABLE {name}" for name in metadata.tables)
    compacts = (
        "OPTIMIZE TABLE builds the tables anew: others go on meanwhile, save for a moment at the "
        "beginning and at the end of each, and as much free space is needed as the largest has."
    )
    conflict_ends_transaction = True

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, statements_for("mariadb"), is_own=is_own)

    def transaction(self) -> Transaction:
        """A driver's cursor in a transaction at READ COMMITTED."""
        return Transaction(self) if self.is_own else _ReadCommitted(self)

    def report_time(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """As text: PyMySQL takes twelve times as long to make it a datetime."""
        return cast(column, String(26))

    def begin(self, connection: Connection) -> RootTransaction:
        """Begin a transaction at READ COMMITTED, which the ledger's own connections have anyway."""
        transaction = connection.begin()
        if not self.is_own:
            self.begin_read_committed(connection.connection)
        return transaction

    def begin_read_committed(self, connection: Any) -> None:
        """Begin a transaction on the host's connection; the next one is as the host wants it."""
        cursor = connection.cursor()
        try:
            cursor.execute(_READ_COMMITTED)
        except self.driver_error as error:
            if error.args[:1] != (_IN_TRANSACTION,):
                raise
            connection.commit()  # what a listener of the host's began
            cursor.execute(_READ_COMMITTED)
        if _commits_by_itself(connection.driver_connection):
            cursor.execute("START TRANSACTION")
        cursor.close()

    def require_suitable(self) -> None:
        """See that it is MariaDB, and a connection of a character set that has every character."""
        query = "SELECT VERSION(), @@character_set_client, @@character_set_connection"
        try:
            with self.querying() as connection:
                version, *sets = connection.exec_driver_sql(query).one()
        except LedgerUnavailable as error:
            if isinstance(error.__cause__, InvalidRequestError):  # a dialect for MariaDB alone
                raise LedgerUnavailable(f"{error} {_NEEDED}") from error
            raise
        number = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+).*mariadb", version, re.IGNORECASE)
        if number is None or tuple(map(int, number.groups())) < OLDEST:
            raise LedgerUnavailable(f"The server is {version}. {_NEEDED}")
        for found in sets:
            if found != "utf8mb4":
                raise LedgerUnavailable(
                    f"The connection's character set is {found}, which lacks emoji and other "
                    "characters that names and messages have: write charset=utf8mb4 in the "
                    "engine's URL, or leave charset out."
                )

    def doubts(self) -> list[str]:
        """A setting with which InnoDB forgets."""
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
        """The database's clock, for a query; or so many seconds later."""
        now = func.utc_timestamp(6)
        return func.timestampadd(text("SECOND"), after, now) if after else now


class _ReadCommitted(Transaction):
    """A transaction on a connection of the host's."""

    _database: MariaDB

    def _begin(self, connection: Any) -> Any:
        self._database.begin_read_committed(connection)
        return connection.cursor()


def _commits_by_itself(driver: Any) -> bool:
    """Whether the connection is in autocommit mode, by whichever name its driver calls that."""
    ask = getattr(driver, "get_autocommit", None)
    return bool(ask() if ask is not None else driver.autocommit)


_READ_COMMITTED: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
_IN_TRANSACTION: Final = 1568
"""The error of who sets a level in the middle of a transaction."""
