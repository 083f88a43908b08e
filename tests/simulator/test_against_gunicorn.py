"""A campaign with every fault against gunicorn, which is killed and restarted half way.

``FD_WHATSAPP_TEST_MESSAGES=5000`` makes it the large one: four workers, SQLite and PostgreSQL.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.simulator import Clock, Retries
from flask_fd_whatsapp.simulator.agreement import disagreements
from flask_fd_whatsapp.simulator.http_transport import HTTPTransport
from flask_fd_whatsapp.simulator.transport import Answer, Outgoing

from ..conftest import URL
from ..ledger.databases import fresh_database
from .conftest import MakeSimulator
from .host import create_app, handled
from .servers import TIMEOUT, Gunicorn

pytest.importorskip("gunicorn")

LARGE = int(os.environ.get("FD_WHATSAPP_TEST_MESSAGES", "0"))
MESSAGES = LARGE or 200
WORKERS = 4 if LARGE else 2
KINDS = ("sqlite", "postgresql") if LARGE else ("sqlite",)

PATIENT = Retries(delays=(60,) * 9, timeout=TIMEOUT, at_least=0.2)
"""Longer than the lease of what a killed process was handling."""


class Disturbed:
    """Carries requests, and kills and restarts the server at a given one."""

    def __init__(self, server: Gunicorn, number: int) -> None:
        self._inner = HTTPTransport(f"{server.url}{URL}", TIMEOUT, 8)
        self._server = server
        self._left = number
        self._lock = threading.Lock()
        self.has_struck = False

    def send(self, request: Outgoing) -> Answer:
        with self._lock:
            self._left -= 1
            if not self._left:
                self._server.kill()
                self._server.start()
                self.has_struck = True
        return self._inner.send(request)

    def close(self) -> None:
        self._inner.close()


@pytest.fixture(params=KINDS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLLedger]:
    """An empty ledger, with the table of the host's handler."""
    with fresh_database(request.param, tmp_path) as url:
        app = create_app(url)
        ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledger.upgrade()
        engine = ledger.engine
        handled.create(engine)
        yield ledger
        engine.dispose()


@pytest.mark.slow
def test_ledger_and_simulator_agree_behind_gunicorn(
    ledger: SQLLedger, tmp_path: Path, make_simulator: MakeSimulator
) -> None:
    """Everything is acknowledged, ledger and simulator agree, and handlers ran once for each
    event.
    """
    url = ledger.engine.url.render_as_string(hide_password=False)
    with closing(Gunicorn(tmp_path, WORKERS, {"HOST_LEDGER_URL": url})) as server:
        server.start()
        disturbed = Disturbed(server, number=2 * MESSAGES)
        simulator = make_simulator(
            f"{server.url}{URL}",
            messages=MESSAGES,
            faults=["all"],
            retries=PATIENT,
            clock=Clock(),
            seed=20251118,
            make_transport=lambda url: disturbed,
        )
        report = simulator.run()
    assert disturbed.has_struck
    assert list(disagreements(ledger, simulator.messages.values())) == []
    assert (report.given_up, report.left, report.withheld) == (0, 0, 0)
    assert report.acknowledged == report.events + report.copies
    assert report.posted == report.acknowledged + report.garbled + report.tried_again
    assert report.posted == sum(report.answers.values())
    assert report.answers.keys() <= {"200", "401", "503", "broken", "cut"}
    with ledger.engine.connect() as connection:
        ran = sorted((row[0], row[1]) for row in connection.execute(select(handled)))
    recorded = []
    for message_id in simulator.messages:
        known = ledger.message(message_id)
        assert known is not None
        recorded += [(message_id, str(status)) for status in known.times]
    assert ran == sorted(recorded)
