from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from werkzeug.test import TestResponse

from flask_fd_whatsapp import StatusEvent, message_sent, status_received

from ..answers import assert_problem, assert_result
from .threads import LEASE, TIMEOUT, Clock, Gate, Post, WatchedLedger, wait_at_most


def test_hanging_handler(
    app: Flask,
    post: Post,
    pool: ThreadPoolExecutor,
    clock: Clock,
    handled: list[tuple[str, str]],
    gate: Gate,
) -> None:
    """A hanging handler is a 503 for others until its lease expires; then it is fenced off."""
    wait_at_most(app)
    late = pool.submit(post)
    assert gate.entered.wait(TIMEOUT)
    clock.now += LEASE - 1
    for name in ("queued", "sent"):
        assert_problem(post(name), 503, "5")
    assert_result(post(data__message_id="another"), "accepted")
    clock.now += 1
    assert_result(post(), "accepted")
    assert handled == [*2 * [("first", "QUEUED")], *2 * [("last", "QUEUED")]]
    gate.opened.set()
    assert_problem(late.result(TIMEOUT), 503, "5")
    assert_result(post(), "duplicate")
    assert_result(post("sent"), "accepted")
    assert handled[4:] == [("last", "SENT")]


def test_late_holder_does_not_let_go_of_what_is_not_its_own(
    app: Flask, post: Post, pool: ThreadPoolExecutor, clock: Clock, gate: Gate
) -> None:
    """A holder that returns late does not release the message of the next one."""
    wait_at_most(app)
    second = Gate()
    message_sent.connect(second)
    late = pool.submit(post)
    assert gate.entered.wait(TIMEOUT)
    clock.now += LEASE
    taker = pool.submit(post, "sent")
    assert second.entered.wait(TIMEOUT)
    gate.opened.set()
    assert_problem(late.result(TIMEOUT), 503, "5")
    for name in ("queued", "sent", "read"):
        assert_problem(post(name), 503, "5")
    second.opened.set()
    assert_result(taker.result(TIMEOUT), "accepted")
    assert_result(post(), "accepted")


def test_waiter_takes_over_when_the_lease_ends(
    app: Flask,
    post: Post,
    pool: ThreadPoolExecutor,
    ledger: WatchedLedger,
    clock: Clock,
    gate: Gate,
) -> None:
    """If a lease expires while another waits, that one gets the message."""
    wait_at_most(app, 0.1)
    late = pool.submit(post)
    assert gate.entered.wait(TIMEOUT)
    clock.now += LEASE
    waiter = pool.submit(post)
    assert_result(waiter.result(TIMEOUT), "accepted")
    gate.opened.set()
    assert_problem(late.result(TIMEOUT), 503, "5")


def test_lease_is_renewed_by_each_handler(app: Flask, post: Post, clock: Clock) -> None:
    """Handlers that each finish within the lease keep the message, however many there are."""
    wait_at_most(app)
    answers: list[TestResponse] = []

    def handler(name: str) -> Callable[..., None]:
        def takes_long(app: Flask, event: StatusEvent) -> None:
            clock.now += LEASE - 1
            answers.append(post())

        takes_long.__qualname__ = name
        return takes_long

    for number in range(5):
        status_received.connect(handler(f"handler {number}"), weak=False)
    assert_result(post(), "accepted")
    for answer in answers:
        assert_problem(answer, 503, "5")
    assert len(answers) == 5
