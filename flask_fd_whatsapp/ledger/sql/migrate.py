"""Creates and upgrades the tables with the packaged Alembic migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from ...exceptions import LedgerUnavailable

VERSION_TABLE: Final = "fd_whatsapp_version"

_LOCK_SECONDS: Final = 60

_MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOCK: Final = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_xact_lock(hashtext('fd_whatsapp'))",
}

# MariaDB's locks have no end with the transaction, and one namespace for all its databases.
_LOCK_NAME: Final = "CONCAT('fd_whatsapp.', MD5(DATABASE()))"

# Alembic keeps what it is doing in a module, so that two threads would get in each other's way.
_alembic: Final = Lock()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision this version of the package works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def revision(engine: Engine) -> str | None:
    """The revision the tables are at, ``None`` where there are none."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def is_current(engine: Engine) -> bool:
    """Whether the tables are those this version of the package works with."""
    return revision(engine) == head()


def require_current(engine: Engine) -> None:
    """:raises LedgerUnavailable: if they are not, with the command that mends it."""
    found = revision(engine)
    if found != head():
        state = "does not exist yet" if found is None else f"is at revision {found}, not {head()}"
        raise LedgerUnavailable(
            f"The ledger {state}: run `flask fd-whatsapp upgrade` with this version of the package."
        )


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the tables to *to*; of several processes at once, one does it and the others wait."""
    with _alembic, engine.connect() as connection, _alone(connection):
        command.upgrade(_config(connection), to)
        connection.commit()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    dialect = connection.engine.dialect.name
    if dialect in _LOCK:
        connection.execute(text(_LOCK[dialect]))
        yield
        return
    if connection.scalar(text(f"SELECT GET_LOCK({_LOCK_NAME}, {_LOCK_SECONDS})")) != 1:
        raise LedgerUnavailable(
            f"Another process has been upgrading the ledger for {_LOCK_SECONDS} seconds: try again "
            "when it is done."
        )
    try:
        yield
    finally:
        connection.execute(text(f"SELECT RELEASE_LOCK({_LOCK_NAME})"))
