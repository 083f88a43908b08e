"""uWSGI's default forking: after loading the application, and without Python's hooks."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import TOKEN, URL
from ..ports import free_port
from .burst import make_event
from .preloaded import effect, metadata
from .server import ROOT
from .waiting import TIMEOUT, wait_until

UWSGI = Path(sys.executable).with_name("uwsgi")
WORKERS = 2
MESSAGES = 60


@pytest.fixture(autouse=True)
def _uwsgi_is_there() -> None:
    if not UWSGI.exists():
        reason = "uwsgi is not installed: it comes with the dev extra"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@contextmanager
def serving(folder: Path, url: str, engine: str) -> Generator[int]:
    """The port of a uWSGI that has forked its workers off a process with open connections."""
    port = free_port()
    command = [str(UWSGI), "--http-socket", f"127.0.0.1:{port}", "--master", "--need-app"]
    command += ["--processes", str(WORKERS), "--threads", "2", "--enable-threads", "--die-on-term"]
    command += ["--module", "tests.processes.preloaded:create_app()", "--venv", sys.prefix]
    environment = {**os.environ, "HOST_URL": url, "HOST_ENGINE": engine}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: process.poll() is not None or is_open(port), "uwsgi answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT)


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def post(port: int, message_id: str) -> int:
    """The answer to a message's event."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("POST", URL, make_event(message_id).body, {"Authorization": TOKEN})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("engine", ["own", "host"])
def test_forked_without_hooks(url: str, engine: str, tmp_path: Path) -> None:
    """Workers forked after a connection was used lose no acknowledged effect."""
    administrator = create_engine(url, poolclass=NullPool)
    ledger = SQLLedger(administrator)
    ledger.upgrade()
    metadata.create_all(administrator)

    def post_until_accepted(number: int) -> list[int]:
        answers = []
        while not answers or answers[-1] != 200:
            answers.append(post(port, f"M{number}"))
            assert len(answers) <= 2 * WORKERS, answers
        return answers

    with serving(tmp_path, url, engine) as port, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(post_until_accepted, range(MESSAGES)))
    log = (tmp_path / "log").read_text()
    assert "The ledger cannot be used" not in log, log
    assert {answers[-1] for answers in answers} == {200}
    with administrator.connect() as connection:
        rows = connection.execute(select(effect.c.message_id, effect.c.process)).all()
    assert Counter(row.message_id for row in rows) == {f"M{n}": 1 for n in range(MESSAGES)}
    assert len({row.process for row in rows}) == WORKERS
    assert {event.state for event in ledger.events(limit=1000)} == {State.DONE}
