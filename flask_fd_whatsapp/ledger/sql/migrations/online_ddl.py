"""Changes to tables that are in use.

A change that waits for a table's lock holds up every statement that comes after it, and one that
holds two tables' locks can deadlock with the requests.  So each change is a transaction of its
own that holds one lock, waits for it only briefly, and is tried again.  Indexes are built beside
the traffic.  On SQLite a whole revision is one transaction, which nobody else can write in.

Every change is skipped where it is there already: an upgrade that was interrupted goes on.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from ....exceptions import LedgerUnavailable

LOCK_SECONDS: Final = {"postgresql": 0.3, "mariadb": 1}
"""How long a change waits for a table, and with it all that comes after; whole on MariaDB."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries, doubling from the first to the longest, with jitter."""

_LIMITS: Final = {
    "lock_wait_timeout": LOCK_SECONDS["mariadb"],
    "innodb_lock_wait_timeout": LOCK_SECONDS["mariadb"],
    "max_statement_time": 0,
}
"""MariaDB's while a table is changed: its own limit of statements is for requests."""

REPORT_SECONDS: Final = 10.0
"""How often is told that something still goes on."""

Tell = Callable[[str], None]
T = TypeVar("T")


def add_columns(table: str, columns: Sequence[sa.Column[Any]]) -> None:
    """Add those that are missing; nullable, since the previous version does not fill them."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in columns:
        if column.name not in there:
            what = f"adding the column {column.name} to {table}"
            _change(what, lambda column=column: op.add_column(table, column))  # type: ignore[misc]


def create_index(
    name: str, table: str, columns: Sequence[str], where: sa.TextClause | None = None
) -> None:
    """Build an index beside the traffic; one left invalid by a run that was killed is built anew.

    :param where: makes it partial, where the database has such.
    """
    what = f"building the index {name}"
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":

        def build() -> None:
            if _is_invalid(name):
                op.drop_index(name, table, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                [*columns],
                postgresql_where=where,
                postgresql_concurrently=True,
                if_not_exists=True,
            )

        _change(what, build, is_concurrent=True)
    elif dialect == "sqlite":
        op.create_index(name, table, [*columns], sqlite_where=where, if_not_exists=True)
    else:
        _change(
            what,
            lambda: op.execute(
                f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({', '.join(columns)}) "
                "ALGORITHM=INPLACE LOCK=NONE"
            ),
        )


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it is there."""
    is_concurrent = op.get_context().dialect.name == "postgresql"
    options: dict[str, Any] = {"postgresql_concurrently": True} if is_concurrent else {}
    _change(
        f"dropping the index {name}",
        lambda: op.drop_index(name, table, if_exists=True, **options),
        is_concurrent=is_concurrent,
    )


def _is_invalid(index: str) -> bool:
    statement = sa.text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().scalar(statement, {"name": index}))


def _change(what: str, change: Callable[[], None], *, is_concurrent: bool = False) -> None:
    """Do one change, outside the revision's transaction.

    :param is_concurrent: PostgreSQL does it ``CONCURRENTLY``: in no transaction, and waiting for
        others without keeping anybody waiting.
    """
    context = op.get_context()
    patience: float = context.opts["patience"]
    with telling(context.opts["tell"], what):
        if context.dialect.name == "sqlite":
            change()
            return
        if context.dialect.name != "postgresql":
            limits: Any = _in_session
        else:
            limits = _without_time_outs if is_concurrent else _in_transaction
        with context.autocommit_block():

            def try_once() -> None:
                with limits(patience):
                    change()

            patiently(what, try_once, patience)


@contextmanager
def _in_transaction(_: float) -> Generator[None]:
    """PostgreSQL: a transaction of its own, whose settings end with it, behind a pooler too."""
    execute = op.get_bind().exec_driver_sql
    execute("BEGIN")
    try:
        execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS['postgresql'] * 1000:.0f}ms'")
        yield
    except BaseException:
        execute("ROLLBACK")
        raise
    execute("COMMIT")


@contextmanager
def _without_time_outs(patience: float) -> Generator[None]:
    """PostgreSQL: the server's limits are for requests, and not for building an index.

    Behind a pooler they stay as they are: what is set outside a transaction may be set, and reset,
    on a server process that others use.
    """
    bind = op.get_bind()
    execute = bind.exec_driver_sql
    driver: Any = bind.connection.driver_connection
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


@contextmanager
def _in_session(_: float) -> Generator[None]:
    """MariaDB: a change commits by itself, and waits for tables that refer to its own, too."""
    execute = op.get_bind().exec_driver_sql
    before = execute(f"SELECT {', '.join(f'@@SESSION.{name}' for name in _LIMITS)}").one()
    _set(_LIMITS)
    try:
        yield
    finally:
        _set(dict(zip(_LIMITS, before, strict=True)))


def _set(limits: Mapping[str, object]) -> None:
    values = ", ".join(f"SESSION {name} = {value}" for name, value in limits.items())
    op.get_bind().exec_driver_sql(f"SET {values}")


def patiently(what: str, try_once: Callable[[], T], patience: float) -> T:
    """Try until no lock is in the way.

    :param patience: for how many seconds.
    :raises LedgerUnavailable: if one still is then.
    """
    deadline = time.monotonic() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            return try_once()
        except DBAPIError as error:
            if not _is_locked(error.orig):
                raise
            if time.monotonic() >= deadline:
                raise LedgerUnavailable(
                    f"Gave up {what} after {patience:g} seconds: other transactions held locks "
                    f"all that time ({_first_line(error.orig)}). What is done stays done, and "
                    "processes go on with it. End transactions that are open for long (in "
                    "PostgreSQL pg_stat_activity lists them, in MariaDB SHOW PROCESSLIST), or "
                    "choose a quieter time, and run `flask fd-whatsapp upgrade` again."
                ) from error
        left = deadline - time.monotonic()
        time.sleep(max(0, min(pause * random.uniform(0.5, 1.5), left)))  # noqa: S311 - no secret
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_locked(error: BaseException | None) -> bool:
    """Whether a lock was not to be had: in time, or without a deadlock."""
    return (
        getattr(error, "sqlstate", None) in ("55P03", "40P01")
        or getattr(error, "sqlite_errorname", None) == "SQLITE_BUSY"
        or (error is not None and error.args[:1] in ((1205,), (1213,)))
    )


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [""])[0]


@contextmanager
def telling(tell: Tell, what: str) -> Generator[None]:
    """Tell what is being done, and from time to time that it still is."""
    tell(f"{what} ...")
    began = time.monotonic()
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(REPORT_SECONDS):
            tell(f"{what}: {time.monotonic() - began:.0f} seconds so far ...")

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
