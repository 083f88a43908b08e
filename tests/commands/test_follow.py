"""``flask fd-whatsapp retry --follow``, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from flask_fd_whatsapp import FreshdeskWhatsApp

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, ledger_of, states
from .deferred_app import WAIT_SECONDS, create_app, wait_for

ROOT = Path(__file__).parents[2]
FLASK = (sys.executable, "-m", "flask", "--app", "tests.commands.deferred_app")


class Follower:
    """A running ``retry --follow``, and its output."""

    def __init__(self, folder: Path) -> None:
        self._noted = folder / "noted"
        self._log = folder / "log"
        with (folder / "out").open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*FLASK, "fd-whatsapp", "retry", "--follow"],
                cwd=ROOT,
                env={**os.environ, "DEFERRED_APP_FOLDER": str(folder)},
                stdout=out,
                stderr=log,
            )
        self._out = folder / "out"

    def noted(self) -> list[str]:
        """The messages that its handler has been called with."""
        return self._noted.read_text().split() if self._noted.exists() else []

    def wait_for_note(self, message_id: str) -> None:
        wait_for(lambda: message_id in self.noted())

    def logged(self, words: str) -> int:
        """How often it has logged these words."""
        return self._log.read_text().count(words)

    def wait_for_log(self, words: str, times: int = 1) -> None:
        wait_for(lambda: self.logged(words) >= times)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end: its exit status and what it printed."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS), self._out.read_text()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Flask]:
    """The application in this process, as the server's would be."""
    app = create_app(str(tmp_path))
    yield app
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    """A running follower; what is left of it is killed."""
    follower = Follower(tmp_path)
    yield follower
    if follower.process.poll() is None:
        follower.process.kill()
        follower.process.wait()


def rename(app: Flask, table: str, name: str) -> None:
    with ledger_of(app).engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_follow_outlives_an_outage(
    host: Flask, follower: Follower, run: RunCommand, post: Post
) -> None:
    """It waits for a missing ledger, dispatches new events, and survives an outage."""
    follower.wait_for_log("flask fd-whatsapp upgrade")
    assert post(host, data__message_id="M0") == "503"
    assert run(host, "upgrade").exit_code == 0
    follower.wait_for_log("is available again")
    for number in range(1, 4):
        assert post(host, data__message_id=f"M{number}") == "accepted"
    wait_for(lambda: list(states(host).values()) == ["done"] * 3)
    rename(host, "fd_whatsapp_event", "away")
    follower.wait_for_log("is unavailable; waiting for it", times=2)
    rename(host, "away", "fd_whatsapp_event")
    follower.wait_for_log("is available again", times=2)
    post(host, data__message_id="M4")
    follower.wait_for_note("M4")
    assert follower.end() == (0, "Stopped. 4 accepted.\n")
    assert follower.noted() == ["M1", "M2", "M3", "M4"]
    assert follower.logged("is unavailable; waiting for it") == 2
    assert set(states(host).values()) == {"done"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_stops_between_events(
    host: Flask, tmp_path: Path, run: RunCommand, post: Post, number: signal.Signals
) -> None:
    """On SIGTERM during an event it finishes that event, and leaves the next one due."""
    run(host, "upgrade")
    for message_id in ("wait", "next"):
        post(host, data__message_id=message_id)
    follower = Follower(tmp_path)
    try:
        follower.wait_for_note("wait")
        follower.process.send_signal(number)
        (tmp_path / "go").touch()
        assert follower.process.wait(WAIT_SECONDS) == 0
    finally:
        follower.process.kill()
        follower.process.wait()
    assert follower.noted() == ["wait"]
    assert states(host) == {"wait": "done", "next": "pending"}


def test_memory_ledger_cannot_be_followed(app: Flask, run: RunCommand) -> None:
    """An in-memory ledger cannot be followed, which is reported at once."""
    result = run(app, "retry", "--follow")
    assert result.exit_code == 1
    assert "another process" in result.stderr


def test_failures_are_no_end(
    make_durable: MakeApp,
    run_json: RunJSON,
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
    tickets: Any,
) -> None:
    """Failing handlers neither end it nor change its exit status, and its turns cover
    everything.
    """
    monkeypatch.setattr("flask_fd_whatsapp.commands.follow.ROUND_SECONDS", 0.0)
    monkeypatch.setattr("flask_fd_whatsapp.commands.follow.LEAST_TURN_SECONDS", 0.0)
    app = make_durable(DISPATCH="deferred")
    for number in range(5):
        post(app, data__message_id=f"M{number}")
    tickets.error = ValueError("no tickets")
    tickets.before = lambda: len(tickets.calls) == 5 and os.kill(os.getpid(), signal.SIGTERM)
    outcome = run_json(app, "retry", "--follow")
    assert (outcome["results"], outcome["was_stopped"]) == ({"unfinished": 5}, True)


def test_receivers_take_turns(
    make_durable: MakeApp,
    run_json: RunJSON,
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
    tickets: Any,
) -> None:
    """A receiver whose time is over gives the next one its turn, however much is still due."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH_SECONDS", 0.0)
    monkeypatch.setattr("flask_fd_whatsapp.commands.follow.ROUND_SECONDS", 0.0)
    monkeypatch.setattr("flask_fd_whatsapp.commands.follow.LEAST_TURN_SECONDS", 0.0)
    app = make_durable(DISPATCH="deferred")
    settings = {
        f"OTHER_{key}": app.config[f"FD_WHATSAPP_{key}"]
        for key in ("HEADERS", "LEDGER_URL", "DISPATCH")
    }
    app.config.from_mapping(settings)
    other = FreshdeskWhatsApp("other", config_prefix="OTHER", url_prefix="/other")
    app.register_blueprint(other)
    for number in range(4):
        post(app, data__message_id=f"A{number}")
    for number in range(2):
        post(app, url="/other/whatsapp", data__message_id=f"B{number}")
    tickets.before = lambda: len(tickets.calls) == 6 and os.kill(os.getpid(), signal.SIGTERM)
    assert run_json(app, "retry", "--follow")["results"] == {"accepted": 6}
    assert tickets.calls == ["A0", "B0", "A1", "B1", "A2", "A3"]


def test_gives_back_its_batch(deferred: Flask, run_json: RunJSON, post: Post, tickets: Any) -> None:
    """On SIGTERM, events not yet attempted are released to others at once."""
    for number in range(5):
        post(deferred, data__message_id=f"M{number}")
    tickets.before = lambda: len(tickets.calls) == 2 and os.kill(os.getpid(), signal.SIGTERM)
    assert run_json(deferred, "retry", "--follow")["results"] == {"accepted": 2}
    assert len(ledger_of(deferred).reservations.due(limit=10)) == 3


def test_idle_receivers_cost_one_query(
    make_durable: MakeApp, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch, tickets: Any
) -> None:
    """Any number of idle receivers on one ledger costs a single query."""
    app = make_durable(DISPATCH="deferred")
    ledger = ledger_of(app)
    for number in range(5):
        prefix = f"R{number}"
        app.config[f"{prefix}_HEADERS"] = app.config["FD_WHATSAPP_HEADERS"]
        app.register_blueprint(
            FreshdeskWhatsApp(prefix, config_prefix=prefix, url_prefix=f"/{prefix}", ledger=ledger)
        )
    looks: list[str | None] = []

    def due(*, receiver: str | None = None, limit: int) -> list[int]:
        looks.append(receiver)
        os.kill(os.getpid(), signal.SIGTERM)
        return []

    monkeypatch.setattr(ledger.reservations, "due", due)
    assert run_json(app, "retry", "--follow")["results"] == {}
    assert looks == [None]
