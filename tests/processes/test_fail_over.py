from __future__ import annotations

import random
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from .aftermath import Aftermath, prepare, sweep_all
from .burst import Client, make_burst
from .cluster import Cluster, fresh_pair
from .server import Server, running
from .waiting import wait_until

EVENTS = 400
REFUSED = 20


def url_of(*clusters: Cluster) -> str:
    """As docs/backup.md writes it."""
    hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in clusters)
    return f"postgresql+psycopg://postgres@/postgres?{hosts}&target_session_attrs=read-write"


def is_synchronous(primary: Cluster) -> bool:
    with create_engine(
        primary.url + f"&port={primary.port}", poolclass=NullPool
    ).connect() as connection:
        states = connection.exec_driver_sql("SELECT sync_state FROM pg_stat_replication").scalars()
        return "sync" in states.all()


def test_standby_takes_over_in_a_burst(tmp_path: Path) -> None:
    """The primary dies and its standby is promoted: no acknowledged event is lost, no restart."""
    with fresh_pair() as (primary, standby):
        wait_until(lambda: is_synchronous(primary), "the standby follows synchronously")
        url = url_of(primary, standby)
        prepare(url)
        server = Server(tmp_path, {"LEDGER_URL": url, "LEASE_SECONDS": 1})
        with running(server):
            workers = server.workers()
            with Client(server.port, make_burst(EVENTS, random.Random(1))) as client:
                client.wait_for_more(EVENTS // 4)
                primary.stop("immediate")
                wait_until(lambda: len(client.refused) >= REFUSED, "events are refused")
                standby.promote()
                client.wait_for_more(1)
            assert server.workers() == workers
            assert server.flask("check").returncode == 0
            sweep_all(server, url)
        assert not client.broken_connections
        assert {answer.status for answer in client.refused} == {503}
        Aftermath(url, tmp_path).verify(client.acknowledged)
