"""What the results depend on: the machine and the versions."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter

_PACKAGES = (
    "flask_fd_whatsapp",
    "flask",
    "werkzeug",
    "marshmallow",
    "blinker",
    "sqlalchemy",
    "psycopg",
    "celery",
    "gunicorn",
    "slackeventsapi",
    "pywa",
    "django-anymail",
    "django",
)
_FLUSHES = 50
_PAGE = bytes(4096)


def machine() -> str:
    """Processor and number of cores, operating system, how busy it is and how fast it flushes."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"load averages {load}, fdatasync {_flush_seconds() * 1e6:.0f} µs"
    )


def versions() -> dict[str, str]:
    """The versions of Python, SQLite and every package that is installed."""
    found = {
        platform.python_implementation(): platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _flush_seconds() -> float:
    """How long the disk with the temporary files takes to flush a page: the minimum for a
    commit.
    """
    flush = getattr(os, "fdatasync", os.fsync)
    took = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(_FLUSHES):
            file.write(_PAGE)
            start = perf_counter()
            flush(file.fileno())
            took.append(perf_counter() - start)
    return median(took)
