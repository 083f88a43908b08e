from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..ledger.databases import KINDS, fresh_database
from .aftermath import Aftermath, prepare, sweep_all
from .burst import Client, make_burst
from .server import Server, running

EVENTS = int(os.environ.get("FD_WHATSAPP_TEST_BURST", "600"))
SETTINGS = {"LEASE_SECONDS": 1, "MAX_ATTEMPTS": 1000}
ALL_OF_IT = 8
"""Every which kill takes the master too."""


class Killer:
    """Kills a worker after some acknowledgements, and now and then all of the server."""

    def __init__(self, server: Server, rng: random.Random) -> None:
        self.server = server
        self.rng = rng
        self.kills = 0

    def __call__(self, client: Client) -> None:
        client.wait_for_more(self.rng.randint(10, 40))
        self.kills += 1
        if self.kills % ALL_OF_IT == 0:
            self.server.kill_all()
            self.server.start()
        else:
            self.server.kill_one(self.rng)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_database(request.param, tmp_path) as url:
        yield url


def survive(url: str, folder: Path, count: int, ledger: str = "") -> None:
    """Post a burst while the server is being killed, sweep what is left, and look at it all."""
    prepare(url)
    rng = random.Random(count)
    server = Server(folder, {**SETTINGS, "LEDGER_URL": url}, ledger=ledger)
    with running(server):
        client = Client(server.port, make_burst(count, rng))
        killer = Killer(server, rng)
        client.run(killer)
        server.stop()
        sweep_all(server, url)
    assert killer.kills > ALL_OF_IT
    assert client.broken_connections
    Aftermath(url, folder).verify(client.acknowledged)


def test_killed(url: str, tmp_path: Path) -> None:
    """However often processes are killed in a burst, nothing is lost, doubled or wrong."""
    survive(url, tmp_path, EVENTS)


def test_broken_ledger(tmp_path: Path) -> None:
    """With a ledger that commits writes apart from their success the same burst doubles rows."""
    with (
        fresh_database("sqlite", tmp_path) as url,
        pytest.raises(AssertionError, match="rows that are not one"),
    ):
        survive(url, tmp_path, EVENTS, ledger="broken")
