"""Every command with a ledger that is down, outdated, or in memory."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Never

import pytest
from flask import Flask
from sqlalchemy import create_engine

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import TOKEN, MakeApp
from .conftest import Post, RunCommand, Tickets, url_in
from .deferred_app import create_app

DOWN = "postgresql+psycopg://me:pa55w@127.0.0.1:1/none"

COMMANDS = [
    ("events",),
    ("message", "M1"),
    ("prune",),
    ("quarantine", "list"),
    ("quarantine", "show", "1"),
    ("quarantine", "replay", "--all"),
    ("quarantine", "discard", "1"),
    ("replay", "--handler", "tickets", "--yes"),
    ("retry",),
    ("retry", "--dead"),
    ("retry", "--event", "1"),
    ("status",),
]

every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture
def down(make_app: MakeApp, tickets: Tickets) -> Flask:
    """An application whose database does not answer."""
    return make_app(LEDGER_URL=DOWN)


@every_command
def test_ledger_down_is_one_line(down: Flask, run: RunCommand, command: tuple[str, ...]) -> None:
    """A ledger that is down is a one-line error with exit status 1."""
    result = run(down, *command)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = [line for line in result.output.splitlines() if "ledger" in line]
    assert line.startswith(("Error: ", "Problem: "))
    assert "The ledger cannot be used: " in line
    assert "pa55w" not in result.output


@every_command
def test_missing_ledger_is_one_line(
    make_app: MakeApp, run: RunCommand, tmp_path: Path, tickets: Tickets, command: tuple[str, ...]
) -> None:
    """A ledger that does not exist yet is one clear line that names the command."""
    ledger = SQLLedger(create_engine(url_in(tmp_path)))
    result = run(make_app(FreshdeskWhatsApp(ledger=ledger)), *command)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.count("run `flask fd-whatsapp upgrade`") == 1
    ledger.engine.dispose()


def test_a_ledger_that_cannot_be_made_is_one_line(make_app: MakeApp, run: RunCommand) -> None:
    """A ledger whose file cannot be there is one clear line too."""
    result = run(make_app(LEDGER_URL="sqlite:////dev/null/x"), "events")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The ledger cannot be used: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("command", ["events", "upgrade", "status"])
def test_errors_hide_a_databases_password(make_app: MakeApp, run: RunCommand, command: str) -> None:
    """An error that contains a database's URL hides its password."""

    def make_ledger(app: Flask) -> Never:
        raise RuntimeError(f"cannot reach {DOWN} with {TOKEN}")

    result = run(make_app(FreshdeskWhatsApp(ledger=make_ledger), LEDGER_URL=DOWN), command)
    assert result.exit_code == 1
    assert "cannot reach postgresql+psycopg://me:********@127.0.0.1:1/none with" in result.output
    assert "pa55w" not in result.output
    assert "s3cret" not in result.output


@every_command
def test_memory_ledger_is_the_processs_own(
    app: Flask, run: RunCommand, tickets: Tickets, command: tuple[str, ...]
) -> None:
    """For an in-memory ledger, commands say that other processes' ledgers cannot be seen."""
    result = run(app, *command)
    assert result.stderr.count("another process") == 1


@every_command
def test_memory_is_said_once(
    make_app: MakeApp,
    run: RunCommand,
    tickets: Tickets,
    caplog: pytest.LogCaptureFixture,
    command: tuple[str, ...],
) -> None:
    """The server's warning about an in-memory ledger is not logged by commands, which say it
    themselves.
    """
    app = make_app()
    app.testing = False
    assert run(app, *command).stderr.count("is in memory") == 1
    assert caplog.records == []


@pytest.mark.parametrize("command", [("retry",), ("prune",), ("status",)], ids=" ".join)
def test_one_of_two_down(
    run: RunCommand, post: Post, tmp_path: Path, tickets: Tickets, command: tuple[str, ...]
) -> None:
    """A command for all receivers works on those it can, and fails for the others."""
    app = Flask("host")
    app.testing = True
    for name, url in (("down", DOWN), ("up", url_in(tmp_path))):
        app.config[f"{name.upper()}_HEADERS"] = {"Authorization": TOKEN}
        app.config[f"{name.upper()}_LEDGER_URL"] = url
        app.config[f"{name.upper()}_DISPATCH"] = "deferred"
        app.register_blueprint(
            FreshdeskWhatsApp(name, config_prefix=name.upper(), url_prefix=f"/{name}")
        )
    assert post(app, url="/up/whatsapp") == "accepted"
    result = run(app, *command)
    assert result.exit_code == 1
    assert "down: The ledger cannot be used" in result.output
    expected = {
        "retry": "1 accepted.",
        "prune": "up: 0 messages pruned.",
        "status": "Pending: 1",
    }
    assert expected[command[0]] in result.stdout
    assert run(app, *command, "--receiver", "up").exit_code == 0
    app.extensions["fd_whatsapp"]["up"].ledger.engine.dispose()


@pytest.mark.parametrize(
    ("command", "label", "key"),
    [
        ("retry", "Retrying", "results"),
        ("backup {folder}/backup.db", "Backing up", "bytes"),
        ("copy --to sqlite:///{folder}/copy.db", "Copying", "rows"),
    ],
    ids=["retry", "backup", "copy"],
)
def test_progress_bar_leaves_json_alone(
    tmp_path: Path, run: RunCommand, post: Post, command: str, label: str, key: str
) -> None:
    """A terminal shows a progress bar, which leaves the JSON on standard output alone."""
    app = create_app(str(tmp_path))
    run(app, "upgrade")
    post(app)
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    flask = (sys.executable, "-m", "flask", "--app", "tests.commands.deferred_app")
    terminal, end = pty.openpty()
    try:
        finished = subprocess.run(
            [*flask, "fd-whatsapp", *command.format(folder=tmp_path).split(), "--json"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "DEFERRED_APP_FOLDER": str(tmp_path), "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=end,
            timeout=60,
            check=True,
        )
        shown = os.read(terminal, 65536).decode()
    finally:
        os.close(terminal)
        os.close(end)
    assert json.loads(finished.stdout)[key]
    assert label in shown
