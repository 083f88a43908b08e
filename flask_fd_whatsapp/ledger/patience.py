"""How long a caller waits for the answer to a query that may take long."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

PAGE_SECONDS: Final = 120.0
"""For a page or ``status``, which hold up a thread of the server, or a monitor.

Far more than a report on a million messages takes.
"""

_most: Final[ContextVar[float]] = ContextVar("fd_whatsapp_patience", default=math.inf)


@contextmanager
def waiting_at_most(seconds: float) -> Generator[None]:
    """Within the block, wait *seconds* for each answer, even to queries that may take long."""
    token = _most.set(min(seconds, _most.get()))
    try:
        yield
    finally:
        _most.reset(token)


def longest_wait() -> float:
    """How many seconds the caller waits for an answer; infinite unless limited."""
    return _most.get()
