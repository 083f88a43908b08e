"""Logs an outage of the ledger: one line when it begins, one per minute, one when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from ..log_fields import get_logger, log_fields
from ..throttle import Throttle

LINE_SECONDS: Final = 60.0

logger = get_logger(__name__)


class Outage:
    """Tracks whether one receiver's ledger works, as seen by its requests.

    A ledger that works for some requests only does not flood the log either: however often that
    changes, at most one line of each kind is logged per minute.

    :param receiver: the receiver's name.
    :param clock: a monotonic clock in seconds.
    """

    is_on = False
    """Whether the last request that needed the ledger found it unavailable."""

    def __init__(self, receiver: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._receiver = receiver
        self._clock = clock
        self._lock = Lock()
        self._began_at = 0.0
        self._lines = Throttle(LINE_SECONDS, clock)
        self._was_told = False
        self._refused = 0

    def refuse(self, error: Exception, *, with_traceback: bool = False) -> None:
        """Note that a request was answered with 503, since the ledger raised *error*."""
        held_back = self._lines.admit(None)
        with self._lock:
            if not self.is_on:
                self.is_on, self._began_at, self._refused = True, self._clock(), 0
            self._refused += 1
            if held_back is None:
                return
            self._was_told = True
        logger.critical(
            "The ledger cannot be used: answered with 503. %s `flask fd-whatsapp check --receiver "
            "%s` says more.%s",
            f"{type(error).__name__}." if with_traceback else error,
            self._receiver,
            f" {held_back + 1} requests were rejected since the last such line."
            if held_back
            else "",
            exc_info=error if with_traceback else None,
            extra=log_fields(receiver=self._receiver),
        )

    def end(self) -> None:
        """Note that the ledger has recorded a request's event."""
        with self._lock:
            if not self.is_on:
                return
            self.is_on = False
            was_told, self._was_told = self._was_told, False
            refused, seconds = self._refused, self._clock() - self._began_at
        if was_told:
            logger.warning(
                "The ledger of %s works again. In the last %s, %s answered with 503.",
                self._receiver,
                "second" if seconds < 1.5 else f"{seconds:.0f} seconds",
                "1 request was" if refused == 1 else f"{refused} requests were",
                extra=log_fields(receiver=self._receiver),
            )
