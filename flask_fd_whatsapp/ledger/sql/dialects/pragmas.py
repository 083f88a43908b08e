"""How a SQLite connection waits: for others' locks, and for the disk."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


def read(driver: Any, name: str) -> Any:
    """What a pragma of the driver's connection *driver* is."""
    (value,) = driver.execute(f"PRAGMA {name}").fetchone()
    return value


@contextmanager
def impatient(driver: Any) -> Generator[float]:
    """While this lasts a connection waits for no lock; gives the seconds for which it would."""
    milliseconds = read(driver, "busy_timeout")
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        yield milliseconds / 1000
    finally:
        driver.execute(f"PRAGMA busy_timeout = {milliseconds}")


@contextmanager
def lazy(driver: Any) -> Generator[None]:
    """While this lasts a connection's commits do not wait for the disk."""
    before = read(driver, "synchronous")
    driver.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA synchronous = {before}")


def doubts(driver: Any) -> list[str]:
    """Pragmas with which SQLite forgets, or waits for nobody."""
    found = {
        name: str(read(driver, name)).lower()
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    wanted = {
        "journal_mode": (found["journal_mode"] == "wal", "WAL, or readers and writers block"),
        "synchronous": (found["synchronous"] in ("2", "3"), "FULL, or a power cut loses events"),
        "foreign_keys": (found["foreign_keys"] == "1", "ON"),
        "busy_timeout": (int(found["busy_timeout"]) >= 1000, "1000 (milliseconds) or more"),
    }
    return [
        f"SQLite's PRAGMA {name} is {found[name]}: set it to {remedy}."
        for name, (is_right, remedy) in wanted.items()
        if not is_right
    ]
