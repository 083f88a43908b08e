from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from ..ledger.databases import fresh_database
from .aftermath import Aftermath, prepare, sweep_all
from .burst import Client, make_burst
from .server import Server, running

EVENTS = int(os.environ.get("FD_WHATSAPP_TEST_BURST", "600"))
"""Set it to some thousands for a longer burst."""

SETTINGS = {"LEASE_SECONDS": 0.3, "MAX_ATTEMPTS": 1000}
ALL_OF_IT = 8
"""Every which kill takes the master too."""


def survive(url: str, folder: Path, *, count: int, pause: int, ledger: str = "") -> None:
    """Post a burst to a server that is repeatedly killed, sweep, and check the result.

    :param pause: at most how many events are acknowledged between two kills.
    """
    prepare(url)
    rng = random.Random(count)
    events = make_burst(count, rng, given_up=0.1)
    server = Server(folder, {**SETTINGS, "LEDGER_URL": url}, threads=8, ledger=ledger)
    kills = 0
    with running(server):
        with Client(server.port, events) as client:
            while not client.is_over():
                client.wait_for_more(rng.randint(pause // 4, pause))
                kills += 1
                if kills % ALL_OF_IT:
                    server.kill_one(rng)
                else:
                    server.kill_all()
                    server.start()
        server.stop()
        sweep_all(server, url)
    assert kills > ALL_OF_IT
    assert client.broken_connections
    Aftermath(url, folder).verify(client.acknowledged)


def test_killed_processes_lose_nothing(url: str, tmp_path: Path) -> None:
    """Killing processes during a burst loses, duplicates or corrupts nothing."""
    survive(url, tmp_path, count=EVENTS, pause=60)


def test_broken_ledger(tmp_path: Path) -> None:
    """A ledger that commits a handler's writes separately from its success does not survive
    that.
    """
    with (
        fresh_database("sqlite", tmp_path) as url,
        pytest.raises(AssertionError, match="rows there are, and should be"),
    ):
        survive(url, tmp_path, count=200, pause=25, ledger="broken")
