"""Single-flight checks: one at a time, at bounded intervals, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final

from ..per_process import PerProcess

INTERVAL_SECONDS: Final = 5.0
TIMEOUT_SECONDS: Final = 3.0

NO_ANSWER: Final = f"no answer within {TIMEOUT_SECONDS:g} seconds"

Results = dict[str, str | None]
"""What is wrong with each thing that was checked, ``None`` if nothing is."""


class SingleFlight:
    """Runs a check in a thread of its own, so that a hanging one blocks that thread only.

    :param look: fills in its findings, one after the other; may not raise.
    """

    interval = INTERVAL_SECONDS
    timeout = TIMEOUT_SECONDS

    def __init__(self, look: Callable[[Results], None]) -> None:
        self._flights = PerProcess(lambda: _Flight(look))

    def results(self) -> tuple[Results, bool]:
        """Return the findings so far of the last check, or a new one, and whether it is done."""
        return self._flights.get().results(self.interval, self.timeout)


class _Flight:
    """That of one process."""

    def __init__(self, look: Callable[[Results], None]) -> None:
        self._look = look
        self._lock = Lock()
        self._results: Results = {}
        self._began_at: float | None = None
        self._is_done = Event()

    def results(self, interval: float, timeout: float) -> tuple[Results, bool]:
        with self._lock:
            now = time.monotonic()
            if self._began_at is None or (
                self._is_done.is_set() and now - self._began_at >= interval
            ):
                self._start(now)
            results, is_done = self._results, self._is_done
            deadline = (self._began_at or now) + timeout
        is_done.wait(max(deadline - now, 0))
        return dict(results), is_done.is_set()

    def _start(self, now: float) -> None:
        results: Results = {}
        is_done = Event()

        def run() -> None:
            try:
                self._look(results)
            finally:
                is_done.set()

        try:
            Thread(target=run, daemon=True).start()
        except RuntimeError:
            return  # no thread can be started, so there is no result either
        self._results, self._is_done, self._began_at = results, is_done, now
