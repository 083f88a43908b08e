"""Reconcilers as separate processes: killed, concurrent, and asked to stop."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask import request

from flask_fd_whatsapp.freshdesk import reconcile
from flask_fd_whatsapp.ledger import State

from ..concurrency.threads import TIMEOUT
from ..ledger.databases import KINDS, fresh_database
from ..processes.waiting import wait_until
from ..simulator.servers import ROOT
from . import served_host
from .catching_up import TWO_DAYS, System, let_turns_come, settings_of, system
from .forked import kill, started

MESSAGES = 90
PROCESSES = 3
KILLS = 8
ALLOWED = 300
"""Calls a minute of a host that has six callers: what is on its way at once fits the margin."""

MINUTE = 6
"""Real seconds of a minute, so that some of them pass."""

FOLLOW = (
    f"-m flask --app {served_host.__name__}:{{app}} fd-whatsapp reconcile --follow --stuck-for 0s"
)


def expect_many(host: System) -> None:
    """Messages that were sent, without any event."""
    host.ledger.upgrade()
    for number in range(MESSAGES):
        host.ledger.expect(host.simulator.send(f"R{number}").id)
    host.clock.skip(TWO_DAYS)


def asked(host: System) -> Counter[str]:
    """How often each message was asked for."""
    return Counter(one.path for one in host.limit.calls if one.method == "GET")


def run(host: System) -> BaseProcess:
    """A process that sends and catches up."""
    settings = {**settings_of(host), "FD_WHATSAPP_CALLS_A_MINUTE": ALLOWED}
    return started(served_host.send_and_reconcile, settings, MINUTE)


def following(host: System, app: str = "create_app", **settings: Any) -> subprocess.Popen[str]:
    """``reconcile --follow`` in a process with the host's settings, and *settings* beside them."""
    configured = {**settings_of(host), **{f"FD_WHATSAPP_{k}": v for k, v in settings.items()}}
    return subprocess.Popen(
        [sys.executable, *FOLLOW.format(app=app).split()],
        cwd=ROOT,
        env={**os.environ, **{f"FLASK_{k}": host.app.json.dumps(v) for k, v in configured.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_reconcilers_that_are_killed(kind: str, tmp_path: Path) -> None:
    """Three processes that send and reconcile, killed at random: no message is asked about twice in
    a step, a kill costs one message its step, and together they keep the account's limit.
    """
    scale = 60 / MINUTE
    with (
        fresh_database(kind, tmp_path) as url,
        system(ledger_url=url, now=lambda: scale * time.monotonic()) as host,
    ):
        expect_many(host)
        began = datetime.now(UTC)
        chance = random.Random(kind)
        running = [run(host) for _ in range(PROCESSES)]
        try:
            for number in sorted(chance.sample(range(MESSAGES - KILLS - PROCESSES), KILLS)):
                wait_until(lambda n=number: len(asked(host)) >= n, "some are asked for")  # type: ignore[misc]
                kill(running.pop(chance.randrange(PROCESSES)))
                running.append(run(host))
            wait_until(lambda: len(asked(host)) >= MESSAGES - KILLS, "most are asked for")
        finally:
            for one in running:
                kill(one)
        assert max(asked(host).values()) == 1
        assert host.limit.most_in_a_minute <= ALLOWED
        assert Counter(one.method for one in host.limit.calls)["POST"] > len(asked(host))
        ids = set(list(host.simulator.messages)[:MESSAGES])
        told = {path.rpartition("/")[2] for path in asked(host)}
        assert told <= ids
        assert len(host.disagreeing().keys() & told) <= KILLS + PROCESSES
        let_turns_come(host)
        reconcile(recheck=True, until=began)
        assert not host.disagreeing().keys() & ids


def test_processes_that_follow_share_the_work(tmp_path: Path) -> None:
    """``reconcile --follow`` runs until SIGTERM, and several share the work."""
    with system(ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}") as host:
        both, number = Barrier(2), count()

        @host.api.before_request
        def wait_for_the_other() -> None:
            if request.method == "GET" and next(number) < 2:
                both.wait(TIMEOUT)

        expect_many(host)
        followers = [following(host) for _ in range(2)]
        try:
            wait_until(lambda: len(asked(host)) == MESSAGES, "all are asked for")
            for one in followers:
                one.terminate()
            ended = [one.communicate(timeout=TIMEOUT) for one in followers]
        finally:
            for one in followers:
                one.kill()
                one.wait()
        assert [one.returncode for one in followers] == [0, 0], ended
        counts = [int(out.split()[2]) for out, _ in ended]
        assert (sum(counts), min(counts) > 0) == (MESSAGES, True)
        assert set(asked(host).values()) == {1}
        assert host.disagreeing() == {}


@pytest.mark.parametrize("is_asked_to_stop", [False, True])
def test_hanging_handler_ends_the_process(tmp_path: Path, is_asked_to_stop: bool) -> None:
    """A handler that never returns has failed, and the process exits so that another is started."""
    with system(ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}") as host:
        host.ledger.upgrade()
        host.ledger.expect(host.simulator.send("R").id)
        host.clock.skip(TWO_DAYS)
        seconds = None if is_asked_to_stop else 0.5
        follower = following(host, "create_hanging_app", HANDLER_SECONDS=seconds)
        try:
            if is_asked_to_stop:
                wait_until(lambda: host.ledger.overview.being_handled(), "the handler hangs")
                follower.terminate()
            _, log = follower.communicate(timeout=TIMEOUT)
        finally:
            follower.kill()
            follower.wait()
        assert follower.returncode == 75, log
        (event,) = host.ledger.events()
        reason = "0.3 seconds of SIGTERM" if is_asked_to_stop else "0.5 seconds"
        assert event.state is State.PENDING
        assert event.last_error is not None
        assert event.last_error.endswith(f"TimeoutError: did not return within {reason}")
