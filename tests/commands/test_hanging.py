"""Commands with a handler that never returns, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import inspect

from flask_fd_whatsapp.ledger import State, Tried

from ..answers import make_due
from ..ledger.entries import POLICY
from .conftest import Post, ledger_of, states
from .deferred_app import WAIT_SECONDS, create_app, wait_for

ROOT = Path(__file__).parents[2]

FLASK = """
import sys
import flask.cli
import flask_fd_whatsapp.commands.hanging as hanging
hanging.STOP_SECONDS = 0.3
sys.argv = ["flask", "--app", "tests.commands.deferred_app", "fd-whatsapp", *sys.argv[1:]]
flask.cli.main()
"""


class Processes:
    """Running commands; what is left of them is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        *arguments: str,
        handler_seconds: str,
        command: str = "retry",
        dispatch: str = "deferred",
    ) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", FLASK, *command.split(), *arguments],
                cwd=ROOT,
                env={
                    **os.environ,
                    "DEFERRED_APP_FOLDER": str(self.folder),
                    "FLASK_FD_WHATSAPP_HANDLER_SECONDS": handler_seconds,
                    "FLASK_FD_WHATSAPP_DISPATCH": dispatch,
                },
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def noted(self, message_id: str) -> int:
        """How often its handler has been called with a message."""
        noted = self.folder / "noted"
        return noted.read_text().split().count(message_id) if noted.exists() else 0


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    for process in processes.running:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(str(tmp_path))
    ledger_of(app).upgrade()
    yield app
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_followers_with_a_hanging_handler_exit_and_others_continue(
    host: Flask, post: Post, processes: Processes
) -> None:
    """Each follower with a hanging handler reports it and exits, and the others continue."""
    post(host, data__message_id="wait")
    followers = [processes.start("--follow", handler_seconds="1") for _ in range(3)]
    for number in range(3):
        wait_for(lambda: sum(f.poll() is None for f in followers) < 3 - number)  # noqa: B023
        (event,) = ledger_of(host).events(message_id="wait")
        assert (event.state, event.attempts) == (State.PENDING, number + 1)
        assert event.last_error == "note: TimeoutError: did not return within 1 seconds"
        if number < 2:
            post(host, data__message_id=f"after {number}")
            wait_for(lambda: states(host)[f"after {number}"] == "done")  # noqa: B023
            make_due(host)
    assert [follower.wait(WAIT_SECONDS) for follower in followers] == [75] * 3
    assert processes.log.count("Handler note has been running for 1 seconds on QUEUED") == 3
    assert "in wait_for" in processes.log
    assert processes.noted("wait") == 3


@pytest.mark.parametrize("arguments", [(), ("--event", "1")])
def test_hanging_run_from_cron_ends(
    host: Flask, post: Post, processes: Processes, arguments: tuple[str, ...]
) -> None:
    """From cron the command exits too, so that runs do not pile up."""
    post(host, data__message_id="wait")
    assert processes.start(*arguments, handler_seconds="0.5").wait(WAIT_SECONDS) == 75


def test_hanging_replay_ends(host: Flask, post: Post, processes: Processes) -> None:
    """A replay whose handler hangs exits too, and does not change the event."""
    post(host, data__message_id="wait")
    (event,) = ledger_of(host).events()
    recorded = ledger_of(host).claim(event.id, POLICY)
    assert recorded is not None
    assert recorded.claim is not None
    recorded.claim.finish(Tried())
    options = ("--handler", "note", "--yes")
    command = processes.start(*options, command="replay", handler_seconds="0.5")
    assert command.wait(WAIT_SECONDS) == 75
    assert processes.noted("wait") == 1
    assert ledger_of(host).events()[0].state is State.DONE
    assert ledger_of(host).overview.being_handled() == []


def test_hanging_trigger_ends(host: Flask, processes: Processes) -> None:
    """A triggered event whose handler hangs counts as failed, and the command exits."""
    command = processes.start(
        "READ", "--message", "wait", command="trigger", handler_seconds="0.5", dispatch="inline"
    )
    assert command.wait(WAIT_SECONDS) == 75
    (event,) = ledger_of(host).events()
    assert event.state is State.PENDING
    assert event.last_error == "note: TimeoutError: did not return within 0.5 seconds"
    assert ledger_of(host).overview.being_handled() == []


def test_a_statement_that_ends_late(host: Flask, post: Post, processes: Processes) -> None:
    """What a hanging handler writes is rolled back, even if it ends after all."""
    post(host, data__message_id="write")
    command = processes.start(handler_seconds="0.5")
    wait_for(lambda: "has been running for" in processes.log)
    (processes.folder / "go").touch()
    assert command.wait(WAIT_SECONDS) == 75
    (event,) = ledger_of(host).events()
    assert event.state is State.PENDING
    assert event.last_error == "note: TimeoutError: did not return within 0.5 seconds"
    assert not inspect(ledger_of(host).engine).has_table("written")  # type: ignore[attr-defined]


def test_asked_to_end(host: Flask, post: Post, processes: Processes) -> None:
    """On SIGTERM a follower exits even if its handler never returns."""
    post(host, data__message_id="wait")
    follower = processes.start("--follow", handler_seconds="null")
    wait_for(lambda: processes.noted("wait"))
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(WAIT_SECONDS) == 75
    (event,) = ledger_of(host).events()
    assert event.last_error == "note: TimeoutError: did not return within 0.3 seconds of SIGTERM"
    assert ledger_of(host).overview.being_handled() == []
