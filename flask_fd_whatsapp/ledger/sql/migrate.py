"""Creates and upgrades the tables with the packaged Alembic migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from ...exceptions import LedgerUnavailable

VERSION_TABLE: Final = "fd_whatsapp_version"

_MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOCK: Final = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_xact_lock(hashtext('fd_whatsapp'))",
    "mysql": "SELECT GET_LOCK('fd_whatsapp', 60)",
    "mariadb": "SELECT GET_LOCK('fd_whatsapp', 60)",
}


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
    with engine.begin() as connection:
        connection.execute(text(_LOCK[engine.dialect.name]))
        command.upgrade(_config(connection), to)
        if engine.dialect.name in ("mysql", "mariadb"):
            connection.execute(text("SELECT RELEASE_LOCK('fd_whatsapp')"))
