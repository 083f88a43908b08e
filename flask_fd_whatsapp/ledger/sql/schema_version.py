"""Which revision the tables are at, and whether this version of the package works with them.

Migrations are numbered, so that their revisions compare as text.  Tables that are newer than the
code are used as long as they say that the code still works with them, so that a rolling deploy,
and a rollback after it, lock nobody out.
"""

from __future__ import annotations

from pkgutil import iter_modules
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from ...exceptions import LedgerUnavailable
from .migrations import versions

VERSION_TABLE: Final = "fd_whatsapp_version"
"""Alembic's own table: the revision the tables are at."""

HEAD: Final = max(module.name.partition("_")[0] for module in iter_modules(versions.__path__))
"""The revision this version of the package is written for: its newest."""


def revision_of(connection: Connection) -> str | None:
    """The revision the tables are at, ``None`` where there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return found


def revision(engine: Engine) -> str | None:
    """The same, on a connection of its own."""
    with engine.connect() as connection:
        return revision_of(connection)


def is_behind(found: str | None) -> bool:
    """Whether tables at revision *found* need to be created or upgraded."""
    return found is None or found < HEAD


def require_usable(engine: Engine) -> None:
    """Check that this version of the package works with the tables.

    :raises LedgerUnavailable: if it does not, with the remedy.
    """
    with engine.connect() as connection:
        found = revision_of(connection)
        if found is None or found < HEAD:
            state = "does not exist yet" if found is None else f"is at revision {found}, not {HEAD}"
            raise LedgerUnavailable(
                f"The ledger {state}: run `flask fd-whatsapp upgrade` with this version of the "
                "package."
            )
        if found > HEAD and not _is_compatible(connection):
            raise LedgerUnavailable(
                "The database is newer than this version of the package, which no longer works "
                f"with it: it is at revision {found}, but {HEAD} is the newest known here. Deploy "
                "the version of the package that upgraded it, or a later one."
            )


def _is_compatible(connection: Connection) -> bool:
    """Whether newer tables say that code written for :data:`HEAD` still works with them."""
    oldest = connection.scalar(text("SELECT oldest_revision FROM fd_whatsapp_compatibility"))
    return oldest is not None and oldest <= HEAD
