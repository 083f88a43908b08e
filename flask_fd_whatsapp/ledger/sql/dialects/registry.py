"""Which database an engine is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from sqlalchemy import Engine

from ....exceptions import ConfigurationError
from .base import Database
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .sqlite import SQLite


def database_of(engine: Engine, *, is_own: bool = False) -> Database:
    """The ledger's access to a database through *engine*.

    :param is_own: nobody else uses the engine, and it was made by :mod:`.engines`.
    :raises ConfigurationError: if the engine is of another database.
    """
    name = engine.dialect.name
    if name not in _DATABASES:
        raise ConfigurationError(
            f"The engine's dialect is {name!r}, and a ledger is kept in SQLite, PostgreSQL or "
            f"MariaDB: give it an engine whose dialect is one of {', '.join(_DATABASES)}."
        )
    return _DATABASES[name](engine, is_own=is_own)


class _MakesDatabase(Protocol):
    def __call__(self, engine: Engine, *, is_own: bool) -> Database: ...


_DATABASES: Final[Mapping[str, _MakesDatabase]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "mariadb": MariaDB,
    "mysql": MariaDB,  # SQLAlchemy's older name for it; of a MySQL server it is said at first use
}
