"""Changes to tables that are in use.

A change that waits for a table's lock holds up every later statement, and one that holds two
tables' locks can deadlock with requests.  So each change is a transaction of its own that holds
one lock, waits for it only briefly, and is retried.  Indexes are built concurrently.  On SQLite
a whole revision is one transaction, during which nobody else can write.

Every change is skipped if already made: an interrupted upgrade can be resumed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from ....exceptions import LedgerUnavailable
from ..dialects.base import Database
from ..dialects.registry import kind_of

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts, doubling from the first to the longest, with jitter."""

REPORT_SECONDS: Final = 10.0
"""How often to report that a change is still running."""

Tell = Callable[[str], None]
T = TypeVar("T")


def add_columns(table: str, columns: Sequence[sa.Column[Any]]) -> None:
    """Add missing columns; nullable, since the previous version does not fill them."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in columns:
        if column.name not in there:
            what = f"adding the column {column.name} to {table}"
            _change(what, lambda column=column: op.add_column(table, column))  # type: ignore[misc]


def create_index(
    name: str, table: str, columns: Sequence[str], where: sa.TextClause | None = None
) -> None:
    """Build an index concurrently; one left invalid by a killed run is rebuilt.

    :param where: makes it partial, where the database supports that.
    """
    changes = _kind().changes
    _change(
        f"building the index {name}",
        lambda: changes.create_index(op, name, table, columns, where),
        is_beside=changes.builds_beside,
    )


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it exists."""
    changes = _kind().changes
    _change(
        f"dropping the index {name}",
        lambda: op.drop_index(name, table, if_exists=True, **changes.index_options),
        is_beside=changes.builds_beside,
    )


def _kind() -> type[Database]:
    """The class of the database being upgraded."""
    return kind_of(op.get_context().dialect.name)


def _change(what: str, change: Callable[[], None], *, is_beside: bool = False) -> None:
    """Make one change, outside the revision's transaction, unless that locks all others out anyway.

    :param is_beside: it runs outside a transaction, and waits without blocking anybody.
    """
    context, kind = op.get_context(), _kind()
    patience: float = context.opts["patience"]
    with telling(context.opts["tell"], what):
        if kind.changes.revision_lock is not None:
            change()
            return
        with context.autocommit_block():

            def try_once() -> None:
                with kind.changes.limited(op.get_bind(), patience, is_beside=is_beside):
                    change()

            patiently(what, try_once, patience, kind)


def patiently(what: str, try_once: Callable[[], T], patience: float, kind: type[Database]) -> T:
    """Retry until no lock is in the way.

    :param patience: for how many seconds.
    :param kind: the database.
    :raises LedgerUnavailable: if one still is after that.
    """
    deadline = time.monotonic() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            return try_once()
        except DBAPIError as error:
            if error.orig is None or kind.code_of(error.orig) not in kind.changes.in_the_way:
                raise
            if time.monotonic() >= deadline:
                lists = kind.changes.lists_transactions
                where = f" ({lists} lists them)" if lists else ""
                raise LedgerUnavailable(
                    f"Gave up {what} after {patience:g} seconds: other transactions held locks "
                    f"all that time ({_first_line(error.orig)}). What is done stays done, and "
                    f"processes go on with it. End transactions that are open for long{where}, or "
                    "choose a quieter time, and run `flask fd-whatsapp upgrade` again."
                ) from error
        left = deadline - time.monotonic()
        time.sleep(max(0, min(pause * random.uniform(0.5, 1.5), left)))  # noqa: S311 - no secret
        pause = min(2 * pause, LONGEST_PAUSE)


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [""])[0]


@contextmanager
def telling(tell: Tell, what: str) -> Generator[None]:
    """Report what is being done, and from time to time that it still is."""
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
