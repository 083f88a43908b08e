"""The watchdog of running handlers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from threading import Event, Thread, get_ident
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent
from flask_fd_whatsapp.exceptions import ClaimLost, LedgerUnavailable
from flask_fd_whatsapp.handling.attempt import Attempt
from flask_fd_whatsapp.handling.watchdog import Watchdog
from flask_fd_whatsapp.ledger import Ledger, MemoryLedger, Policy, Recorded, State

from ..ledger.entries import MOMENT

TIMEOUT = 30
EVENT = StatusEvent(account_id="1", message_id="M1", status="SENT", timestamp=MOMENT)


class Renewed:
    """A claim that reports when it is renewed."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times = 0
        self.threads: set[int] = set()
        self.often = Event()

    def renew(self) -> None:
        self.times += 1
        self.threads.add(get_ident())
        if self.times >= 5:
            self.often.set()
        if self.errors:
            raise self.errors.pop(0)


LEDGER = MemoryLedger()


def an_attempt(
    claim: Any,
    *,
    lease: float = 0.04,
    handler_seconds: float | None = None,
    ledger: Ledger = LEDGER,
) -> Attempt:
    recorded = Recorded(
        id=12,
        state=State.PENDING,
        claim=claim,
        body="{}",
        headers={},
        previous_status=None,
        is_stale=False,
        external_reference_id=None,
        campaign=None,
        attempt=3,
    )
    policy = Policy(lease_seconds=lease, handler_seconds=handler_seconds)
    return Attempt(Flask("host"), ledger, policy, "fd_whatsapp", recorded, EVENT)


@pytest.fixture
def dog() -> Iterator[Watchdog]:
    watchdog = Watchdog()
    yield watchdog
    for attempt in watchdog.running():
        watchdog.leave(attempt)


def test_one_thread_renews_all_leases(dog: Watchdog) -> None:
    """The leases of all running handlers are renewed by one thread, until they have ended."""
    claims = [Renewed(), Renewed()]
    attempts = [an_attempt(claim) for claim in claims]
    for attempt in attempts:
        dog.enter(attempt)
    for claim in claims:
        assert claim.often.wait(TIMEOUT)
    assert len(claims[0].threads | claims[1].threads) == 1
    assert get_ident() not in claims[0].threads
    dog.leave(attempts[0])
    before, left = claims[0].times, claims[1]
    left.often.clear()
    left.times = 0
    assert left.often.wait(TIMEOUT)
    assert claims[0].times <= before + 1


def test_a_short_lease_after_a_long_one(dog: Watchdog) -> None:
    """The last lease is renewed in time even if the thread is sleeping for a longer one."""
    dog.enter(an_attempt(Renewed(), lease=3600))
    claim = Renewed()
    dog.enter(an_attempt(claim))
    assert claim.often.wait(TIMEOUT)


def test_a_ledger_that_is_down(dog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """A failed renewal is retried, and an outage logged once, without a traceback."""
    claims = [Renewed(*[LedgerUnavailable("Down.")] * 3) for _ in range(3)]
    for claim in claims:
        dog.enter(an_attempt(claim))
    for claim in claims:
        assert claim.often.wait(TIMEOUT)
    (record,) = caplog.records
    assert (
        "cannot be renewed while its handlers run, nor can other leases: Down. After" in caplog.text
    )
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)


def test_a_fault_of_one(dog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """Any other problem with one attempt does not stop others from being renewed."""
    broken, other = Renewed(ValueError("broken")), Renewed()
    dog.enter(an_attempt(broken))
    dog.enter(an_attempt(other))
    assert broken.often.wait(TIMEOUT)
    assert other.often.wait(TIMEOUT)
    assert "Event 12 cannot be watched." in caplog.text


class Silent(Renewed):
    """A claim whose ledger does not answer until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = Event(), Event()

    def renew(self) -> None:
        self.asked.set()
        self.let_go.wait(TIMEOUT)


def test_a_silent_ledger(dog: Watchdog) -> None:
    """While one ledger does not answer, the leases of another are renewed."""
    silent, other = Silent(), Renewed()
    dog.enter(an_attempt(silent))
    assert silent.asked.wait(TIMEOUT)
    try:
        dog.enter(an_attempt(other, ledger=MemoryLedger()))
        assert other.often.wait(TIMEOUT)
        assert len(dog.running()) == 2
    finally:
        silent.let_go.set()


def test_a_shorter_limit_with_the_same_lease(dog: Watchdog) -> None:
    """A handler's limit is observed even if the thread is sleeping for a longer one."""
    hanging = Event()
    dog.on_hanging = lambda attempt: hanging.set()
    dog.enter(an_attempt(Renewed(), lease=3600))
    attempt = an_attempt(Renewed(), lease=3600, handler_seconds=0.05)
    dog.enter(attempt)
    attempt.begin("tickets")
    assert hanging.wait(TIMEOUT)


def test_a_thread_that_cannot_be_started_is_logged_and_tried_again(
    dog: Watchdog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no thread can be started, that is logged, and the next attempt retries for all."""

    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    first, second = Renewed(), Renewed()
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", start)
        dog.enter(an_attempt(first))
    assert "No thread can be started to watch handlers (can't start new thread)" in caplog.text
    dog.enter(an_attempt(second))
    assert first.often.wait(TIMEOUT)
    assert second.often.wait(TIMEOUT)


def test_idle_thread_ends(dog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread with nothing to watch ends, and the next attempt starts another."""
    threads: list[Thread] = []
    start = Thread.start

    def noted(self: Thread) -> None:
        threads.append(self)
        start(self)

    monkeypatch.setattr(Thread, "start", noted)
    for number in range(2):
        claim = Renewed()
        attempt = an_attempt(claim)
        dog.enter(attempt)
        assert claim.often.wait(TIMEOUT)
        dog.leave(attempt)
        threads[number].join(TIMEOUT)
        assert not threads[number].is_alive()


def test_a_claim_that_is_lost(dog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """A lost claim is not renewed again."""
    lost, other = Renewed(ClaimLost("taken")), Renewed()
    dog.enter(an_attempt(lost))
    dog.enter(an_attempt(other))
    assert other.often.wait(TIMEOUT)
    assert lost.times == 1


def test_quick_handlers_are_not_renewed(dog: Watchdog) -> None:
    """An attempt that ends before half its lease costs no renewal."""
    quick, slow = Renewed(), Renewed()
    for _ in range(100):
        attempt = an_attempt(quick, lease=600)
        dog.enter(attempt)
        dog.leave(attempt)
    dog.enter(an_attempt(slow))
    assert slow.often.wait(TIMEOUT)
    assert quick.times == 0


def waits_here(entered: Event, let_go: Event) -> None:
    entered.set()
    let_go.wait(TIMEOUT)


def test_reports_what_hangs(dog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """A hanging handler is reported once, with its event, its stack and the log's fields."""
    entered, let_go, hanging = Event(), Event(), Event()
    claim = Renewed()
    dog.on_hanging = lambda attempt: hanging.set()

    def handle() -> None:
        attempt = an_attempt(claim, handler_seconds=0.05)
        dog.enter(attempt)
        try:
            attempt.begin("tickets")
            waits_here(entered, let_go)
        finally:
            dog.leave(attempt)

    thread = Thread(target=handle)
    thread.start()
    try:
        assert hanging.wait(TIMEOUT)
        claim.often.clear()
        claim.times = 0
        assert claim.often.wait(TIMEOUT)  # checked often enough to be reported again
    finally:
        let_go.set()
        thread.join(TIMEOUT)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    text = record.getMessage()
    assert text.startswith("Handler tickets has been running for 0 seconds on SENT of message M1")
    assert ", in waits_here\n    let_go.wait(TIMEOUT)\n" in text  # as a stack, line by line
    fields = ("event_id", "receiver", "message_id", "status", "handler", "attempt")
    known = [getattr(record, field) for field in fields]
    assert known == [12, "fd_whatsapp", "M1", "SENT", "tickets", 3]


def test_without_a_limit_nothing_is_reported(
    dog: Watchdog, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a limit nothing is reported, and leases are renewed as usual."""
    claim = Renewed()
    attempt = an_attempt(claim, handler_seconds=None)
    dog.enter(attempt)
    attempt.begin("tickets")
    assert claim.often.wait(TIMEOUT)
    assert caplog.records == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_forked_process(dog: Watchdog) -> None:
    """A forked process has its own thread, and does not renew its parent's claims."""
    parents = Renewed()
    dog.enter(an_attempt(parents))
    assert parents.often.wait(TIMEOUT)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            parents.times, claim = 0, Renewed()
            dog.enter(an_attempt(claim))
            if claim.often.wait(TIMEOUT) and parents.times == 0:
                status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
