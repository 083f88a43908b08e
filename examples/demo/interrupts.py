"""Ctrl-C ends the demonstration wherever it is, and leaves nothing behind."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_back() -> Generator[None]:
    """For what must be done whole: while this lasts, an interruption waits for its end."""
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])


@contextmanager
def temporary_folder() -> Generator[Path]:
    """A folder that is gone afterwards."""
    with held_back():
        folder = tempfile.TemporaryDirectory(prefix="fd_whatsapp_demo_")
    try:
        yield Path(folder.name)
    finally:
        with held_back():
            folder.cleanup()
