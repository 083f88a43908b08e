"""A handler that takes longer than its lease, or hangs, under a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..ledger.databases import fresh_database
from .aftermath import Aftermath, prepare
from .burst import make_event, post_once
from .host import WRITES_LATE
from .server import Server, running
from .waiting import wait_until


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_slow_handler(kind: str, tmp_path: Path) -> None:
    """A slow handler keeps its message while it runs, is called once, and is logged past its time,
    while the server's other threads answer.
    """
    event, other = make_event(f"{WRITES_LATE}-1"), make_event("M2")
    settings = {"LEASE_SECONDS": 1, "HANDLER_SECONDS": 2}
    with fresh_database(kind, tmp_path) as url, ThreadPoolExecutor(1) as pool:
        prepare(url)
        server = Server(tmp_path, {"LEDGER_URL": url, **settings}, workers=1)
        with running(server):
            slow = pool.submit(post_once, server.port, event)
            wait_until(lambda: "has been running for" in server.log, "it is in the log")
            assert post_once(server.port, event).status == 503  # for two seconds, two leases
            assert post_once(server.port, other).body == {"result": "accepted"}
            (tmp_path / "let-go").touch()
            assert slow.result().body == {"result": "accepted"}
            assert post_once(server.port, event).body == {"result": "duplicate"}
            assert server.log.count("has been running for") == 1
            assert "wait_until((folder" in server.log
        aftermath = Aftermath(url, tmp_path)
        aftermath.verify({event.key, other.key})
        assert aftermath.slow == {event.key: 1}
