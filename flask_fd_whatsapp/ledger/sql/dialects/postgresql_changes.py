"""How PostgreSQL changes tables that are in use."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text

from .table_changes import TableChanges

LOCK_SECONDS: Final = 0.3
"""How long a change waits for a table, holding up all later statements."""


class PostgreSQLChanges(TableChanges):
    """Each change is a transaction of its own; indexes are built ``CONCURRENTLY``, in none."""

    upgrade_lock = "SELECT pg_try_advisory_xact_lock(hashtext('fd_whatsapp'))"
    keep_lock = (
        "SELECT set_config(name, '0', true) FROM pg_settings "
        "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
    )
    builds_beside = True
    in_the_way = ("55P03", "40P01")
    lists_transactions = "pg_stat_activity"

    index_options = {"postgresql_concurrently": True}  # noqa: RUF012 - nobody changes it

    def before_upgrade_lock(self, connection: Connection) -> None:
        """Make sure that it has no snapshot between two statements."""
        driver: Any = connection.connection.driver_connection
        driver.commit()  # what a listener of the host began
        driver.prepare_threshold = None  # a prepared statement may keep one open
        connection.execution_options(isolation_level="READ COMMITTED")

    def create_index(
        self, op: Any, name: str, table: str, columns: Sequence[str], where: TextClause | None
    ) -> None:
        """Build an index; one left invalid by a killed run is rebuilt."""
        if op.get_bind().scalar(_IS_INVALID, {"name": name}):
            op.drop_index(name, table, **self.index_options)
        op.create_index(
            name,
            table,
            [*columns],
            postgresql_where=where,
            if_not_exists=True,
            **self.index_options,
        )

    def limited(
        self, connection: Connection, patience: float, *, is_beside: bool
    ) -> AbstractContextManager[None]:
        """Limit how long a change waits for a table."""
        return _unhurried(connection, patience) if is_beside else _in_transaction(connection)


_IS_INVALID: Final = text(
    "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
)


@contextmanager
def _in_transaction(connection: Connection) -> Generator[None]:
    """A separate transaction, whose settings end with it, even behind a pooler."""
    execute = connection.exec_driver_sql
    execute("BEGIN")
    try:
        execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS * 1000:.0f}ms'")
        yield
    except BaseException:
        execute("ROLLBACK")
        raise
    execute("COMMIT")


@contextmanager
def _unhurried(connection: Connection, patience: float) -> Generator[None]:
    """Lift the server's limits, meant for requests, while building an index.

    Behind a pooler they stay: settings outside a transaction may be set, and reset, on a server
    process that others use.
    """
    execute = connection.exec_driver_sql
    driver: Any = connection.connection.driver_connection
    if execute("SELECT pg_backend_pid()").scalar() != driver.info.backend_pid:
        yield
        return
    execute("SET statement_timeout = 0")
    execute(f"SET lock_timeout = '{patience * 1000:.0f}ms'")
    try:
        yield
    finally:
        execute("RESET lock_timeout")
        execute("RESET statement_timeout")
