from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .aftermath import Aftermath, prepare
from .burst import make_event, post_once
from .host import YIELDS
from .server import Server, running

pytest.importorskip("gevent", reason="gevent is not installed.")

EVENTS = 24


@pytest.mark.parametrize("workers", [1, 2])
def test_yields_in_its_transaction(url: str, tmp_path: Path, workers: int) -> None:
    """Under gevent a handler that yields in its transaction blocks neither its worker nor
    others.
    """
    prepare(url)
    events = [make_event(f"{YIELDS}-{number}") for number in range(EVENTS)]
    with running(Server(tmp_path, {"LEDGER_URL": url}, workers=workers, worker_class="gevent")) as (
        server
    ):
        before = server.workers()
        with ThreadPoolExecutor(EVENTS) as pool:
            answers = list(pool.map(lambda event: post_once(server.port, event), events))
        assert [answer.body for answer in answers] == [{"result": "accepted"}] * EVENTS, server.log
        assert server.workers() == before
        server.stop()
    aftermath = Aftermath(url, tmp_path)
    aftermath.verify({event.key for event in events})
    assert aftermath.slow == {event.key: 1 for event in events}


def test_duplicates_at_once(url: str, tmp_path: Path) -> None:
    """Greenlets that post the same event concurrently wait for each other: it is handled once."""
    prepare(url)
    event = make_event(f"{YIELDS}-1")
    server = Server(tmp_path, {"LEDGER_URL": url}, worker_class="gevent")
    with running(server), ThreadPoolExecutor(EVENTS) as pool:
        answers = list(pool.map(lambda _: post_once(server.port, event), range(EVENTS)))
        results = sorted(str(answer.body.get("result")) for answer in answers)
        assert results == ["accepted", *["duplicate"] * (EVENTS - 1)], server.log
        server.stop()
    aftermath = Aftermath(url, tmp_path)
    aftermath.verify({event.key})
    assert aftermath.slow == {event.key: 1}
