"""Creates and upgrades the tables with the packaged Alembic migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from ...exceptions import LedgerUnavailable
from .schema_version import HEAD, is_behind, require_usable, revision_of

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


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the tables to *to*; of several processes at once, one does it and the others wait.

    Tables that are newer than this version of the package stay as they are.

    :raises LedgerUnavailable: if they are, and this version no longer works with them.
    """
    with _alembic, engine.connect() as connection, _alone(connection):
        found = revision_of(connection)
        if found is None or found <= HEAD:
            command.upgrade(_config(connection), to)
        connection.commit()
    if not is_behind(found):
        require_usable(engine)


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
