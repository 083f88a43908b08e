"""Connections to a SQLite file: opening them, and waiting for others' locks and the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, event

from ....exceptions import LedgerUnavailable
from .database_file import require_no_log
from .engines import ENGINE_OPTIONS
from .log_owner import note_log, require_own_log

BUSY_SECONDS: Final = 5
"""How long to wait for another writer to SQLite."""

PAUSE_SECONDS: Final = 0.01


def new_engine(url: URL, app: Flask) -> Engine:
    """An engine used only by the ledger; the path is relative to ``app.instance_path``."""
    path = Path(app.instance_path, str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(f"The folder of the ledger cannot be created: {error}") from error
    url = url.set(database=str(path)).update_query_dict({"timeout": str(BUSY_SECONDS), **url.query})
    engine = create_engine(url, **ENGINE_OPTIONS)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, arguments: Any, parameters: Any) -> Any:
        require_no_log(path)
        if not path.exists():
            return None  # SQLite creates the file
        require_own_log(path)
        # If it is moved away right now, SQLite must not create another.
        return dialect.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, **parameters)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        _set_pragmas(connection)
        note_log(path)

    return engine


def _set_pragmas(connection: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _to_wal(cursor)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _to_wal(cursor: Any) -> None:
    """Switch to WAL, retrying: of concurrent attempts, SQLite refuses some at once."""
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


def read(driver: Any, name: str) -> Any:
    """The value of a pragma of the driver's connection *driver*."""
    (value,) = driver.execute(f"PRAGMA {name}").fetchone()
    return value


@contextmanager
def impatient(driver: Any) -> Generator[float]:
    """Within the block a connection waits for no lock; yields its normal wait in seconds."""
    milliseconds = read(driver, "busy_timeout")
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        yield milliseconds / 1000
    finally:
        driver.execute(f"PRAGMA busy_timeout = {milliseconds}")


@contextmanager
def lazy(driver: Any) -> Generator[None]:
    """Within the block a connection's commits do not wait for the disk."""
    before = read(driver, "synchronous")
    driver.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA synchronous = {before}")


def doubts(driver: Any) -> list[str]:
    """Pragmas with which SQLite may lose commits, or does not wait for locks."""
    found = {
        name: str(read(driver, name)).lower()
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    wanted = {
        "journal_mode": (
            found["journal_mode"] == "wal",
            "WAL, or readers and writers block each other",
        ),
        "synchronous": (found["synchronous"] in ("2", "3"), "FULL, or a power cut loses events"),
        "foreign_keys": (found["foreign_keys"] == "1", "ON"),
        "busy_timeout": (int(found["busy_timeout"]) >= 1000, "1000 (milliseconds) or more"),
    }
    return [
        f"SQLite's PRAGMA {name} is {found[name]}: set it to {remedy}."
        for name, (is_right, remedy) in wanted.items()
        if not is_right
    ]
