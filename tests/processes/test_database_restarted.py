from __future__ import annotations

import random
from pathlib import Path

from .aftermath import Aftermath, prepare, sweep_all
from .burst import Client, make_burst
from .cluster import fresh_cluster
from .server import Server, running
from .waiting import wait_until

EVENTS = 300
REFUSED = 20


def test_postgresql_restarted(tmp_path: Path) -> None:
    """PostgreSQL restarted during a burst: 503 meanwhile, nothing lost, no restart."""
    with fresh_cluster() as cluster:
        prepare(cluster.url)
        server = Server(tmp_path, {"LEDGER_URL": cluster.url, "LEASE_SECONDS": 1})
        with running(server):
            workers = server.workers()
            with Client(server.port, make_burst(EVENTS, random.Random(1))) as client:
                for mode in ("fast", "immediate"):
                    client.wait_for_more(EVENTS // 4)
                    cluster.stop(mode)
                    refused = len(client.refused)
                    wait_until(
                        lambda: len(client.refused) >= refused + REFUSED,  # noqa: B023
                        "events are refused",
                    )
                    cluster.start()
                client.wait_for_more(1)
            assert server.workers() == workers
            sweep_all(server, cluster.url)
            assert "The ledger cannot be used: answered with 503." in server.log
        assert not client.broken_connections
        assert {answer.status for answer in client.refused} == {503}
        assert all(int(answer.retry_after or 0) > 0 for answer in client.refused)
        Aftermath(cluster.url, tmp_path).verify(client.acknowledged)
