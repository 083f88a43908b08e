"""The databases that a ledger can be kept in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Flask
from sqlalchemy import Engine, make_url

from ....exceptions import ConfigurationError
from .base import Database
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .sqlite import SQLite

_KINDS: Final[tuple[type[Database], ...]] = (SQLite, PostgreSQL, MariaDB)

_BY_DIALECT: Final[Mapping[str, type[Database]]] = {
    dialect: kind for kind in _KINDS for dialect in kind.dialects
}


def kind_of(dialect: str) -> type[Database]:
    """The class of the database with this SQLAlchemy dialect.

    :raises ConfigurationError: if a ledger cannot be kept in it.
    """
    if dialect not in _BY_DIALECT:
        *others, last = (kind.__name__ for kind in _KINDS)
        raise ConfigurationError(
            f"The engine's dialect is {dialect!r}, but a ledger is kept in {', '.join(others)} or "
            f"{last}: use an engine whose dialect is one of {', '.join(_BY_DIALECT)}."
        )
    return _BY_DIALECT[dialect]


def database_of(engine: Engine, *, is_own: bool = False) -> Database:
    """The ledger's access to a database through *engine*.

    :param is_own: nobody else uses the engine, and it was made by :func:`engine_from_url`.
    :raises ConfigurationError: if the engine is for another database.
    """
    return kind_of(engine.dialect.name)(engine, is_own=is_own)


def engine_from_url(url: str, app: Flask) -> Engine:
    """An engine used only by the ledger; a relative path is one in ``app.instance_path``."""
    parsed = make_url(url)
    return kind_of(parsed.get_backend_name()).new_engine(parsed, app)


def warm_up(url: str) -> None:
    """Import what a ledger at *url* needs; no connection is made and no file opened.

    That takes a few hundred milliseconds, for which the first request would otherwise wait.
    """
    parsed = make_url(url)
    parsed.get_dialect().import_dbapi()
    kind_of(parsed.get_backend_name()).warm_up()
