"""Waiting for other processes."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMEOUT = 30.0
PAUSE = 0.01


def wait_until(is_so: Callable[[], object], what: str, timeout: float = TIMEOUT) -> None:
    """Poll until *is_so*; fail if that takes longer than *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {timeout:g} seconds in vain until {what}.")
        time.sleep(PAUSE)
