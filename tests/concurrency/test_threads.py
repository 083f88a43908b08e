from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

from flask import Flask
from werkzeug.test import TestResponse

from flask_fd_whatsapp import StatusEvent, message_queued, status_changed, status_received

from ..answers import assert_problem, assert_result, client_of
from ..conftest import SAMPLES, URL
from .threads import TIMEOUT, Gate, Post, WatchedLedger, results, wait_at_most


def test_same_event_from_many_threads(post: Post, pool: ThreadPoolExecutor) -> None:
    """Of 50 threads that post one event, one is accepted, and each handler is called once."""
    calls: list[str] = []
    barrier = Barrier(50)

    def handler(name: str) -> Callable[..., None]:
        return lambda app, event: calls.append(name)

    for signal in (message_queued, status_changed, status_received):
        signal.connect(handler(signal.name), weak=False)

    def arrive() -> TestResponse:
        barrier.wait(TIMEOUT)
        return post()

    assert results([pool.submit(arrive) for _ in range(50)]) == {"accepted": 1, "duplicate": 49}
    assert calls == ["message_queued", "status_changed", "status_received"]


def test_one_message_is_never_handled_twice_at_once(
    app: Flask, post: Post, pool: ThreadPoolExecutor, ledger: WatchedLedger
) -> None:
    """Handlers of one message never overlap, each succeeds once, and no change goes backwards."""
    wait_at_most(app, TIMEOUT)
    ids = [f"M{number}" for number in range(4)]
    busy = {message_id: Lock() for message_id in ids}
    tried: Counter[tuple[str, str]] = Counter()
    succeeded: Counter[tuple[str, str]] = Counter()
    changes: dict[str, list[int]] = defaultdict(list)

    @status_changed.connect
    def note_change(app: Flask, event: StatusEvent) -> None:
        changes[event.message_id].append(event.rank or 0)

    @status_received.connect
    def works(app: Flask, event: StatusEvent) -> None:
        key = (event.message_id, event.status)
        assert busy[event.message_id].acquire(blocking=False), "handled twice at once"
        try:
            tried[key] += 1
            Event().wait(0.001)  # gives others time to interfere, if they can
            if tried[key] == 1:
                raise ConnectionError("fails at first")
            succeeded[key] += 1
        finally:
            busy[event.message_id].release()

    def deliver(message_id: str, name: str) -> None:
        while post(name, data__message_id=message_id).status_code != 200:
            pass

    jobs = [(message_id, name) for message_id in ids for name in SAMPLES for _ in range(3)]
    random.shuffle(jobs)
    for future in [pool.submit(deliver, *job) for job in jobs]:
        future.result(TIMEOUT)
    keys = {(message_id, name.upper()) for message_id in ids for name in SAMPLES}
    assert tried == dict.fromkeys(keys, 2)
    assert succeeded == dict.fromkeys(keys, 1)
    assert all(ranks == sorted(set(ranks)) for ranks in changes.values())
    for message_id in ids:
        message = ledger.message(message_id)
        assert message is not None
        assert (message.status, len(message.times)) == ("READ", 5)


def test_messages_do_not_wait_for_each_other(post: Post, pool: ThreadPoolExecutor) -> None:
    """Events of different messages are handled at the same time."""
    meeting = Barrier(5)

    @message_queued.connect
    def meets(app: Flask, event: StatusEvent) -> None:
        meeting.wait(TIMEOUT)

    futures = [pool.submit(post, data__message_id=f"M{number}") for number in range(5)]
    assert results(futures) == {"accepted": 5}


def test_waiting_ends_in_duplicate(
    app: Flask, post: Post, pool: ThreadPoolExecutor, ledger: WatchedLedger, gate: Gate
) -> None:
    """A duplicate that arrives while the event is handled waits, and is then a duplicate."""
    wait_at_most(app, TIMEOUT)
    holder = pool.submit(post)
    assert gate.entered.wait(TIMEOUT)
    waiter = pool.submit(post)
    assert ledger.somebody_waits.wait(TIMEOUT)
    gate.opened.set()
    assert_result(holder.result(TIMEOUT), "accepted")
    assert_result(waiter.result(TIMEOUT), "duplicate")
    assert next(gate.calls) == 2


def test_waiting_ends_in_handling(
    app: Flask,
    post: Post,
    pool: ThreadPoolExecutor,
    ledger: WatchedLedger,
    handled: list[tuple[str, str]],
    gate: Gate,
) -> None:
    """Another event of the message waits, is recorded at once and handled afterwards."""
    wait_at_most(app, TIMEOUT)
    holder = pool.submit(post)
    assert gate.entered.wait(TIMEOUT)
    waiter = pool.submit(post, "sent")
    assert ledger.somebody_waits.wait(TIMEOUT)
    (message,) = ledger.messages(external_reference_id="MM-T1-00001")
    assert message.status == "SENT"
    assert handled == [("first", "QUEUED")]
    gate.opened.set()
    assert results([holder, waiter]) == {"accepted": 2}
    assert handled == [("first", "QUEUED"), ("last", "QUEUED"), ("last", "SENT")]


def test_waiter_takes_over_what_failed(
    app: Flask,
    post: Post,
    pool: ThreadPoolExecutor,
    ledger: WatchedLedger,
    handled: list[tuple[str, str]],
    gate: Gate,
) -> None:
    """If the holder fails, a waiting duplicate calls only the handlers that have not succeeded."""
    wait_at_most(app, TIMEOUT)
    gate.error = ConnectionError("down")
    holder = pool.submit(post)
    assert gate.entered.wait(TIMEOUT)
    waiter = pool.submit(post)
    assert ledger.somebody_waits.wait(TIMEOUT)
    gate.opened.set()
    assert_problem(holder.result(TIMEOUT), 503, "30")
    assert_result(waiter.result(TIMEOUT), "accepted")
    assert handled == [("first", "QUEUED"), ("last", "QUEUED")]
    assert next(gate.calls) == 3


def test_quarantine_from_many_threads(
    app: Flask, pool: ThreadPoolExecutor, ledger: WatchedLedger
) -> None:
    """One unusable body from many threads is kept once, with its count."""
    barrier = Barrier(50)

    def arrive() -> int:
        barrier.wait(TIMEOUT)
        return client_of(app).post(URL, data=b"{").status_code

    futures = [pool.submit(arrive) for _ in range(50)]
    assert {future.result(TIMEOUT) for future in futures} == {400}
    assert [entry.count for entry in ledger.quarantined()] == [50]
