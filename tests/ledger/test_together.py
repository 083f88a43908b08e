from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp.events import Status
from flask_fd_whatsapp.ledger import Ledger, Recorded, State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..concurrency.threads import TIMEOUT
from .entries import POLICY, end_leases, entry

THREADS = 50
PROCESSES = 4
FORKS = 2
EVENTS = 20

APPS = Path(__file__).parent / "apps"


def all_at_once(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Return the results of *work* in this many threads, which begin together."""
    barrier = Barrier(number)

    def begin(place: int) -> Any:
        barrier.wait(TIMEOUT)
        return work(place)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


@pytest.mark.parametrize("is_known", [True, False])
def test_one_claim(ledger: Ledger, is_known: bool) -> None:
    """Of 50 threads that record one event, one gets the claim and none gets an error."""
    if is_known:
        ledger.record(entry(), POLICY, claim=False)
    found: list[Recorded] = all_at_once(THREADS, lambda _: ledger.record(entry(), POLICY))
    assert len({recorded.id for recorded in found}) == 1
    assert Counter(recorded.claim is not None for recorded in found) == {True: 1, False: 49}
    assert {recorded.state for recorded in found} == {State.PENDING}
    (event,) = ledger.events()
    assert event.attempts == 1


def test_one_after_the_other(ledger: Ledger) -> None:
    """Of 50 threads with a message's events, each handles its own while nobody else does."""
    busy, handled = Lock(), Counter[str]()
    statuses = [status for status, _ in zip(cycle([*Status, "PLAYED"]), range(THREADS))]

    def deliver(place: int) -> State:
        recorded = ledger.record(entry(statuses[place]), POLICY)
        if recorded.claim is None and recorded.state is State.PENDING:
            waited = ledger.claim(recorded.id, POLICY, wait=TIMEOUT)
            assert waited is not None
            recorded = waited
        if recorded.claim is None:
            return recorded.state
        assert busy.acquire(blocking=False), "handled twice at once"
        handled[statuses[place]] += 1
        recorded.claim.succeeded("first")
        busy.release()
        return recorded.claim.finish(Tried(succeeded="last"))

    assert set(all_at_once(THREADS, deliver)) == {State.DONE}
    assert handled == dict.fromkeys(statuses, 1)
    message = ledger.message("M1")
    assert message is not None
    assert (message.status, set(message.times)) == ("READ", set(statuses))


def test_many_messages(ledger: Ledger) -> None:
    """Threads that handle neighbouring messages, new and known, do not conflict."""

    def deliver(place: int) -> None:
        for number in range(10):
            for status in ("QUEUED", "SENT", "QUEUED"):
                message_id = f"M{(number * 7 + place) % 13}"
                recorded = ledger.record(entry(status, message_id=message_id), POLICY)
                if recorded.claim is not None:
                    recorded.claim.finish(Tried(succeeded="handler"))

    all_at_once(8, deliver)
    assert len(ledger.events(limit=100)) == 26


def test_one_takes_over(ledger: Ledger) -> None:
    """Of many threads that find an expired lease, one claims the message."""
    dead = ledger.record(entry(), POLICY)
    end_leases(ledger)
    found = all_at_once(20, lambda _: ledger.claim(dead.id, POLICY))
    assert sum(recorded.claim is not None for recorded in found) == 1


def test_sweeps_share_the_work(ledger: Ledger) -> None:
    """Of many concurrent sweeps, each event is claimed by one."""
    for number in range(20):
        ledger.record(entry(message_id=f"M{number}"), POLICY, claim=False)

    def sweep(_: int) -> list[Any]:
        mine = []
        for event_id in ledger.reservations.due(receiver="fd_whatsapp", limit=100):
            recorded = ledger.claim(event_id, POLICY)
            if recorded is not None and recorded.claim is not None:
                recorded.claim.finish(Tried(succeeded="handler"))
                mine.append(event_id)
        return mine

    claimed = [event_id for mine in all_at_once(6, sweep) for event_id in mine]
    assert len(claimed) == len(set(claimed)) == 20


def run(script: str, *arguments: str) -> list[Any]:
    """The output of a script in ``apps``, as JSON lines; none of its processes remains."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(APPS / script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            printed, errors = process.communicate(timeout=4 * TIMEOUT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # those that it has started, too
    assert process.returncode == 0, errors
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.slow
def test_processes_that_post_the_same_call_once(url: str) -> None:
    """If several processes post the same events to one database, each handler is called once."""
    answers, calls = run("burst.py", url, str(PROCESSES))
    assert set(answers) == {"accepted", "duplicate"}
    assert answers["accepted"] == 4 * 5
    assert len(calls) == 4 * 5 * 2
    assert set(calls.values()) == {1}


def test_forked_process_has_its_own_connections(bare_url: str) -> None:
    """A process forked after the ledger was used has its own connections, and loses nothing."""
    ledger = SQLLedger.from_url(bare_url, Flask("host"))
    ledger.upgrade()
    ledger.engine.dispose()
    told = run("forks.py", bare_url)
    assert [process["recorded"] for process in told] == [EVENTS] * (1 + FORKS)
    own = [process["connections"] for process in told]
    assert len(set().union(*own)) == sum(map(len, own))
    recorded = Counter(event.account_id for event in ledger.events(limit=1000))
    children = [f"child {number}{again}" for number in range(FORKS) for again in ("", " again")]
    assert recorded == dict.fromkeys(["before", "parent", "other", *children], EVENTS)
    ledger.engine.dispose()
