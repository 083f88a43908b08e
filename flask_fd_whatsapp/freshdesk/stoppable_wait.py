"""Waits between calls that end when a command is asked to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 0.2
"""How often to check whether to stop."""


class AskedToStop(Exception):
    """Raised instead of continuing to wait; the pending call has not been made."""


def stoppable(should_stop: Callable[[], bool]) -> Callable[[float], None]:
    """Return a ``sleep`` that raises :class:`AskedToStop` as soon as *should_stop* returns true."""

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if should_stop():
                raise AskedToStop
            time.sleep(min(left, LOOK_SECONDS))

    return sleep
