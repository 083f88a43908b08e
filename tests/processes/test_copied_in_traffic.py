from __future__ import annotations

import random
from pathlib import Path

from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.copying import copy_ledger

from .aftermath import Key, prepare, recorded
from .burst import Client, make_burst, make_event
from .server import Server, running
from .waiting import wait_until

EVENTS = 200
LATE = 20


def test_copy_in_a_burst_tells_what_it_lacks(tmp_path: Path, url: str) -> None:
    """A copy contains everything acknowledged before it, and counts what arrives meanwhile."""
    prepare(url)
    new_url = f"sqlite:///{tmp_path}/new.db"
    source, target = (SQLLedger.from_url(one, Flask("host")) for one in (url, new_url))
    target.upgrade()
    server = Server(tmp_path, {"LEDGER_URL": url})
    late: set[Key] = set()

    def post_late(done: int, total: int) -> None:
        """Once the copied events are settled, let the rest of the burst arrive."""
        if late:
            return
        events = [make_event(f"late{number}") for number in range(LATE)]
        with Client(server.port, events) as another:
            wait_until(client.is_over, "the burst is over")
        late.update(another.acknowledged)

    with running(server), Client(server.port, make_burst(EVENTS, random.Random(4))) as client:
        client.wait_for_more(EVENTS // 4)
        before = set(client.acknowledged)
        copied = copy_ledger(source, target, tell=post_late)
    assert not client.refused
    there = recorded(new_url)
    assert before <= there
    assert len(there) == copied.rows["fd_whatsapp_event"]
    assert copied.missed["events"] == len((client.acknowledged | late) - there) >= LATE
    for ledger in (source, target):
        ledger.engine.dispose()
