from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..ledger.databases import fresh_database
from .aftermath import Aftermath, prepare
from .burst import make_event, post_once
from .host import WRITES_EARLY, WRITES_LATE
from .server import Server, running
from .waiting import wait_until


@pytest.mark.parametrize(
    ("kind", "writes"),
    [
        # Not early on SQLite: after writing it holds the lock that all others wait for.
        ("sqlite", WRITES_LATE),
        ("postgresql", WRITES_EARLY),
        ("postgresql", WRITES_LATE),
        ("mariadb", WRITES_EARLY),
        ("mariadb", WRITES_LATE),
    ],
)
def test_late_holder(kind: str, writes: str, tmp_path: Path) -> None:
    """A process suspended until its lease expired writes nothing when it continues."""
    event = make_event(f"{writes}-1")
    with fresh_database(kind, tmp_path) as url, ThreadPoolExecutor(1) as pool:
        prepare(url)
        server = Server(tmp_path, {"LEDGER_URL": url, "LEASE_SECONDS": 0.2})
        with running(server):
            late = pool.submit(post_once, server.port, event)
            entered = tmp_path / "entered"
            wait_until(lambda: entered.exists() and entered.read_text(), "the handler is called")
            stopped = int(entered.read_text())
            os.kill(stopped, signal.SIGSTOP)
            assert post_once(server.port, event).body == {"result": "accepted"}
            (tmp_path / "let-go").touch()
            os.kill(stopped, signal.SIGCONT)
            answer = late.result()
            assert (answer.status, answer.retry_after) == (503, "5")
            assert post_once(server.port, event).body == {"result": "duplicate"}
            assert "Leases are renewed while handlers run" in server.log
        aftermath = Aftermath(url, tmp_path)
        aftermath.verify({event.key})
        assert aftermath.slow == {event.key: 1}
