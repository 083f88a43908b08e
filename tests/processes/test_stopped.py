from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger

from .aftermath import Aftermath, prepare
from .burst import make_event, post_once
from .server import Server, running

FIRST, SECOND, THIRD = (make_event(f"M{number}") for number in range(3))

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="There is no SIGSTOP here.")


def hold(url: str, what: str, told: Connection) -> None:
    """In a separate process: be first in the queue, or write, and report it."""
    database = SQLLedger.from_url(url, Flask("other")).database
    with database.turn if what == "turn" else database.writing():  # type: ignore[attr-defined]
        told.send("has it")
        told.recv()


@contextmanager
def stopped(url: str, what: str) -> Generator[None]:
    """During this, a suspended process holds it; then it continues, and gives it back."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(url, what, there))
    process.start()
    there.close()
    try:
        assert here.recv() == "has it"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        yield
        os.kill(process.pid, signal.SIGCONT)
        here.send("end")
        process.join()
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
@pytest.mark.parametrize("what", ["turn", "lock"])
def test_stopped_process(tmp_path: Path, what: str, worker_class: str) -> None:
    """A suspended process's lock on a SQLite file is waited for in bounded time: 503, then 200."""
    if worker_class == "gevent":
        pytest.importorskip("gevent", reason="gevent is not installed.")
    url = f"sqlite:///{tmp_path}/ledger.db?timeout=0.3"
    prepare(url)
    with running(Server(tmp_path, {"LEDGER_URL": url}, worker_class=worker_class)) as server:
        assert post_once(server.port, FIRST).status == 200
        with stopped(url, what):
            answer = post_once(server.port, SECOND)
            assert (answer.status, answer.retry_after) == (503, "30")
        for event in (SECOND, THIRD):
            assert post_once(server.port, event).body == {"result": "accepted"}
        assert "The ledger cannot be used: answered with 503." in server.log
        server.stop()
    Aftermath(url, tmp_path).verify({FIRST.key, SECOND.key, THIRD.key})
