"""Which database an engine is of."""

from __future__ import annotations

from sqlalchemy import Engine

from .database import Database
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .sqlite import SQLite


def database_of(engine: Engine, *, is_own: bool = False) -> Database:
    """The ledger's access to a database through *engine*.

    :param is_own: nobody else uses the engine, and it was made by :mod:`.engines`.
    """
    if engine.dialect.name == "sqlite":
        return SQLite(engine, is_own=is_own)
    if engine.dialect.name == "postgresql":
        return PostgreSQL(engine, is_own=is_own)
    return MariaDB(engine, is_own=is_own)
