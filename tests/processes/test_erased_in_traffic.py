from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask
from sqlalchemy import func, select

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event, handler_error, handling, message

from .aftermath import prepare, recorded
from .burst import Client, make_burst, make_event, post_once
from .server import Server, running
from .waiting import wait_until

EVENTS = 200
MESSAGES = EVENTS // 5
ERASERS = 2


def erase_along(ledger: SQLLedger, client: Client) -> int:
    """Repeatedly erase the messages whose events are arriving; return how many were erased."""
    erased = 0
    while not client.is_over():
        newest = client.answered // 6  # each has five events, and a quarter is repeated
        for number in range(max(newest - 3, 0), min(newest + 3, MESSAGES)):
            erased += ledger.maintenance.erase(message_id=f"M{number}").messages
    return erased


def erase_all(ledger: SQLLedger) -> None:
    """Erase each message, again while somebody handles it."""
    for number in range(MESSAGES):
        wait_until(
            lambda: not ledger.maintenance.erase(message_id=f"M{number}").held,  # noqa: B023
            "nobody handles the message",
        )


def test_erasure_in_a_burst(tmp_path: Path, url: str) -> None:
    """Messages are erased while their events arrive: no deadlock, nothing refused.

    What is erased stays so, until another webhook comes; each message is counted once all the same.
    """
    prepare(url)
    ledger = SQLLedger.from_url(url, Flask("host"))
    server = Server(tmp_path, {"LEDGER_URL": url})
    with running(server), ThreadPoolExecutor(ERASERS) as pool:
        with Client(server.port, make_burst(EVENTS, random.Random(5))) as client:
            erasing = [pool.submit(erase_along, ledger, client) for _ in range(ERASERS)]
            erased = sum(future.result() for future in erasing)
        assert erased >= MESSAGES // 8
        assert not client.refused, server.log
        assert "The ledger cannot be used" not in server.log
        erase_all(ledger)
        assert server.flask("retry").returncode == 0
        with ledger.engine.connect() as connection:
            for table in (message, event, handling, handler_error):
                assert connection.scalar(select(func.count()).select_from(table)) == 0, table
        total = ledger.engagement(times=False).total
        assert total.known == MESSAGES
        again = post_once(server.port, make_event("M1", "read"))
        assert (again.status, recorded(url)) == (200, {("M1", "READ")})
        total = ledger.engagement(times=False).total
        assert (total.known, total.returned) == (MESSAGES, 1)
    ledger.engine.dispose()
