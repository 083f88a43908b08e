"""The engine of a ledger that has one of its own, by ``FD_WHATSAPP_LEDGER_URL``."""

from __future__ import annotations

import sqlite3
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError

from ....exceptions import LedgerUnavailable
from .database_file import require_no_log
from .timeouts import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    LOCK_SECONDS,
    is_readable,
    keep_alive,
)

BUSY_SECONDS: Final = 5
"""How long to wait for another's writing to SQLite to end."""

PAUSE_SECONDS: Final = 0.01
POOL_SIZE: Final = 6
MAX_OVERFLOW: Final = 5
"""With :data:`.kept.MOST` and one that renews leases that makes at most 20 connections."""

_OPTIONS: Final[dict[str, Any]] = {
    "hide_parameters": True,
    "pool_size": POOL_SIZE,
    "max_overflow": MAX_OVERFLOW,
    "pool_timeout": CONNECT_SECONDS,
}


def engine_from_url(url: str, app: Flask) -> Engine:
    """An engine for the ledger alone; a SQLite path is relative to ``app.instance_path``."""
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed, app)
    engine = _postgresql(parsed) if kind == "postgresql" else _mariadb(parsed)
    _replace_dead(engine)
    return engine


def warm_up(url: str) -> None:
    """Import what a ledger at *url* needs; no connection is made and no file opened.

    That takes some hundred milliseconds, which the first request would wait for else.
    """
    parsed = make_url(url)
    parsed.get_dialect().import_dbapi()
    if parsed.get_backend_name() == "postgresql":
        import_module(".psycopg_connection", __package__)


def _postgresql(url: URL) -> Engine:
    from .psycopg_connection import PARAMETERS, TimedConnection, set_up  # needs an extra

    engine = create_engine(url, connect_args=_unless_in(url, PARAMETERS), **_OPTIONS)

    @event.listens_for(engine, "do_connect")
    def connect(_: object, record: object, arguments: Any, parameters: Any) -> Any:
        return TimedConnection.connect(*arguments, **parameters)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        set_up(connection)

    return engine


def _mariadb(url: URL) -> Engine:
    parameters = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
    }
    engine = create_engine(
        url,
        connect_args=_unless_in(url, parameters),
        isolation_level="READ COMMITTED",  # fewer locks on gaps, fewer deadlocks
        **_OPTIONS,
    )

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, arguments: Any, parameters: Any) -> Any:
        # PyMySQL waits for a greeting as long as for an answer: its connect_timeout is TCP's.
        seconds = parameters["read_timeout"]
        least = min(parameters["connect_timeout"], seconds)
        connection = dialect.connect(*arguments, **{**parameters, "read_timeout": least})
        connection._read_timeout = seconds
        return connection

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        if not connection.unix_socket:
            keep_alive(connection._sock)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, "
                f"lock_wait_timeout = {LOCK_SECONDS}"
            )

    return engine


def _unless_in(url: URL, parameters: dict[str, Any]) -> dict[str, Any]:
    """Those that the URL does not set itself."""
    return {name: value for name, value in parameters.items() if name not in url.query}


def _replace_dead(engine: Engine) -> None:
    """Let nobody get a connection out of the pool that the server has ended.

    That asks nothing of the server, unless something has come on a connection that was idle.
    """

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: object, proxy: object) -> None:
        try:
            descriptor = getattr(connection, "_sock", connection).fileno()
            if not is_readable(descriptor) or engine.dialect.do_ping(connection):
                return
        except (AttributeError, OSError, engine.dialect.loaded_dbapi.Error):
            pass  # closed
        raise DisconnectionError("The server has ended an idle connection.")


def _sqlite(url: URL, app: Flask) -> Engine:
    path = Path(app.instance_path, str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(f"The folder of the ledger cannot be made: {error}") from error
    url = url.set(database=str(path)).update_query_dict({"timeout": str(BUSY_SECONDS), **url.query})
    engine = create_engine(url, **_OPTIONS)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, arguments: Any, parameters: Any) -> Any:
        require_no_log(path)
        if not path.exists():
            return None  # SQLite makes the file
        # Should it be moved away just now, SQLite must not make another.
        return dialect.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, **parameters)

    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _to_wal(cursor)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _to_wal(cursor: Any) -> None:
    """Of processes that do so to a new file at once, SQLite refuses some without their waiting."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return
