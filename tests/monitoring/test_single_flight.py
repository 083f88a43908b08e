"""Single-flight checks of something slow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest

from flask_fd_whatsapp import per_process
from flask_fd_whatsapp.monitoring import single_flight
from flask_fd_whatsapp.monitoring.single_flight import Results, SingleFlight

from ..concurrency.threads import TIMEOUT


def test_threads_begin_together_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent first callers in a new process share one check."""
    looks: list[None] = []

    def look(results: Results) -> None:
        looks.append(None)
        results["ledger"] = None

    flight = SingleFlight(look)
    is_met = Barrier(2)

    def meet() -> object:
        is_met.wait(TIMEOUT)  # both have found that the process is new
        return Lock()

    monkeypatch.setattr(per_process, "getpid", lambda: -1)
    monkeypatch.setattr(single_flight, "Lock", meet)
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(flight.results) for _ in range(2)]
        assert [one.result(TIMEOUT) for one in asking] == [({"ledger": None}, True)] * 2
    assert len(looks) == 1
