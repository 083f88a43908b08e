"""Fresh databases for tests: each with a name of its own, dropped at the end.

``FD_WHATSAPP_TEST_POSTGRESQL_URL`` and ``FD_WHATSAPP_TEST_MARIADB_URL`` say where the servers
are.  Without a server its tests are skipped; where ``CI`` is ``true`` they fail.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = ("postgresql", "mariadb")

_DEFAULT_URLS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1/test",
    "mariadb": "mariadb+pymysql://root@127.0.0.1/test",
}


@contextmanager
def fresh_database(kind: str, directory: Path) -> Generator[str]:
    """The URL of an empty database; skips the test if there is no server of this kind.

    :param kind: one of :data:`KINDS`.
    :param directory: where a SQLite file goes.
    """
    name = f"fd_whatsapp_{secrets.token_hex(8)}"
    if kind == "sqlite":
        yield f"sqlite:///{directory / name}.db"
        return
    require(kind)
    with _administrator(kind) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield server_url(kind).set(database=name).render_as_string(hide_password=False)
    finally:
        with _administrator(kind) as connection:
            _drop(connection, kind, name)


def server_url(kind: str) -> URL:
    """The URL of the server of *kind*, with a database to log in to."""
    return make_url(
        os.environ.get(f"FD_WHATSAPP_TEST_{kind.upper()}_URL") or _DEFAULT_URLS[kind],
    )


def require(kind: str) -> None:
    """Skip the test if there is no server of *kind*, or fail it where one is required."""
    trouble = None if kind == "sqlite" else _trouble(kind)
    if trouble is None:
        return
    reason = f"{kind} at {server_url(kind)} cannot be reached: {trouble}"
    _fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


def _fail(reason: str) -> NoReturn:
    pytest.fail(f"{reason}. Set FD_WHATSAPP_TEST_*_URL; with CI=true it is not skipped.")


@cache
def _trouble(kind: str) -> str | None:
    try:
        with _administrator(kind):
            return None
    except SQLAlchemyError as error:
        return str(error).splitlines()[0]


@contextmanager
def _administrator(kind: str) -> Generator[Connection]:
    engine = create_engine(
        server_url(kind),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.connect() as connection:
        yield connection


def _drop(connection: Connection, kind: str, name: str) -> None:
    if kind == "postgresql":
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        return
    # A connection left in a transaction would prevent the tables from being dropped.
    left = "SELECT id FROM information_schema.processlist WHERE db = %s"
    for (number,) in connection.exec_driver_sql(left, (name,)).all():
        try:
            connection.exec_driver_sql(f"KILL {number}")
        except SQLAlchemyError:
            continue  # already gone
    connection.exec_driver_sql(f"DROP DATABASE {name}")
