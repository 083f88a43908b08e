"""How MariaDB changes tables that are in use."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, TextClause

from .table_changes import TableChanges

LOCKED: Final = 1205
"""The error number of a lock that others hold for longer than one may wait."""

DEADLOCK: Final = 1213
"""The error number of a transaction that was rolled back in favour of another."""

_LIMITS: Final = {"lock_wait_timeout": 1, "innodb_lock_wait_timeout": 1, "max_statement_time": 0}
"""While a table is changed: seconds for a lock; no limit on statements, which is for requests."""


class MariaDBChanges(TableChanges):
    """A change commits implicitly, and also waits for tables that refer to its own."""

    # The locks have one namespace for all databases.
    upgrade_lock = "SELECT GET_LOCK(CONCAT('fd_whatsapp.', MD5(DATABASE())), 0)"
    keep_lock = "SET SESSION wait_timeout = 86400, SESSION idle_transaction_timeout = 0"
    in_the_way = (LOCKED, DEADLOCK)
    lists_transactions = "SHOW PROCESSLIST"

    def create_index(
        self, op: Any, name: str, table: str, columns: Sequence[str], where: TextClause | None
    ) -> None:
        """Build an index while others write."""
        op.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({', '.join(columns)}) "
            "ALGORITHM=INPLACE LOCK=NONE"
        )

    @contextmanager
    def limited(
        self, connection: Connection, patience: float, *, is_beside: bool
    ) -> Generator[None]:
        """Limit how long a change waits for a lock; the session's own limits are put back."""
        query = f"SELECT {', '.join(f'@@SESSION.{name}' for name in _LIMITS)}"
        before = connection.exec_driver_sql(query).one()
        _set(connection, _LIMITS)
        try:
            yield
        finally:
            _set(connection, dict(zip(_LIMITS, before, strict=True)))


def _set(connection: Connection, limits: Mapping[str, object]) -> None:
    values = ", ".join(f"SESSION {name} = {value}" for name, value in limits.items())
    connection.exec_driver_sql(f"SET {values}")
