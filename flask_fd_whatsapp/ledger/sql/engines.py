"""The engine of a ledger that has one of its own, by ``FD_WHATSAPP_LEDGER_URL``."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, event, make_url

from ...exceptions import LedgerUnavailable

BUSY_SECONDS: Final = 5
"""How long to wait for a connection, and for another's writing to end."""

PAUSE_SECONDS: Final = 0.01
POOL_SIZE: Final = 10
MAX_OVERFLOW: Final = 10

_OPTIONS: Final[dict[str, Any]] = {
    "hide_parameters": True,
    "pool_size": POOL_SIZE,
    "max_overflow": MAX_OVERFLOW,
    "pool_timeout": BUSY_SECONDS,
}


def engine_from_url(url: str, app: Flask) -> Engine:
    """An engine for the ledger alone; a SQLite path is relative to ``app.instance_path``."""
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed, app)
    options: dict[str, Any] = {"connect_args": {"connect_timeout": BUSY_SECONDS}, **_OPTIONS}
    if kind == "mariadb":
        options["isolation_level"] = "READ COMMITTED"  # fewer locks on gaps, fewer deadlocks
    engine = create_engine(parsed, **options)
    if kind == "postgresql":
        event.listen(engine, "connect", _set_time_zone)
    return engine


def warm_up(url: str) -> None:
    """Import what a ledger at *url* needs; no connection is made and no file opened.

    That takes some hundred milliseconds, which the first request would wait for else.
    """
    make_url(url).get_dialect().import_dbapi()


def _sqlite(url: URL, app: Flask) -> Engine:
    path = Path(app.instance_path, str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(f"The folder of the ledger cannot be made: {error}") from error
    url = url.set(database=str(path)).update_query_dict({"timeout": str(BUSY_SECONDS), **url.query})
    engine = create_engine(url, **_OPTIONS)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_time_zone(connection: Any, _: object) -> None:
    """Far from UTC, Python cannot read the first and the last day of its calendar."""
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


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
