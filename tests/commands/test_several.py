"""The commands where an application has several receivers, and their help."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.commands.group import NAMES
from flask_fd_whatsapp.commands.quarantined_bodies import quarantine

from ..conftest import TOKEN
from .conftest import RunCommand
from .test_check import DownLedger


@pytest.fixture
def two() -> Flask:
    """An application with the receivers ``up`` and ``down``; the latter's ledger is broken."""
    app = Flask("host")
    app.testing = True
    for name, ledger in (("up", None), ("down", DownLedger())):
        app.config[f"{name.upper()}_HEADERS"] = {"Authorization": TOKEN}
        app.register_blueprint(
            FreshdeskWhatsApp(
                name, config_prefix=name.upper(), url_prefix=f"/{name}", ledger=ledger
            )
        )
    return app


def test_check_covers_all(two: Flask, run: RunCommand) -> None:
    """Without --receiver, check covers all receivers, and one error is enough to fail."""
    result = run(two, "check", "--json")
    receivers = json.loads(result.stdout)["receivers"]
    assert [receiver["receiver"] for receiver in receivers] == ["up", "down"]
    assert result.exit_code == 1


@pytest.mark.parametrize(("name", "status"), [("up", 0), ("down", 1)])
def test_check_covers_one(two: Flask, run: RunCommand, name: str, status: int) -> None:
    """With --receiver the check covers that receiver alone."""
    result = run(two, "check", "--json", "--receiver", name)
    (receiver,) = json.loads(result.stdout)["receivers"]
    assert (receiver["receiver"], result.exit_code) == (name, status)


def test_setup_is_told_which(two: Flask, run: RunCommand) -> None:
    """Setup works for the chosen receiver, with its URL and keys, though its ledger is down."""
    result = run(
        two, "setup", "--json", "--receiver", "down", "--url", "https://x.org/down/whatsapp"
    )
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)["configuration"]) == ["DOWN_HEADERS"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("setup", "--url", "https://x.org/up/whatsapp"),
        ("setup", "--url", "https://x.org/up/whatsapp", "--receiver", "left"),
        ("check", "--receiver", "left"),
    ],
)
def test_wrong_choice(two: Flask, run: RunCommand, arguments: tuple[str, ...]) -> None:
    """If a receiver has to be named, or is unknown, the error lists the known ones."""
    result = run(two, *arguments)
    assert result.exit_code == 2
    assert "up, down" in result.output


@pytest.mark.parametrize(
    "command",
    [
        (),
        *((name,) for name in NAMES),
        *(("quarantine", name) for name in quarantine.commands),
    ],
)
def test_help_has_an_example(app: Flask, run: RunCommand, command: tuple[str, ...]) -> None:
    """Every --help shows an example that can be copied."""
    result = run(app, *command, "--help")
    assert result.exit_code == 0
    assert " ".join(("flask fd-whatsapp", *command)) in result.output.partition("Example")[2]


def test_help_lists_every_command(app: Flask, run: RunCommand) -> None:
    """The group's --help has a line for each command, beginning with its name and what it does."""
    listed = run(app, "--help").output.partition("Commands:")[2]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    assert names[: len(NAMES)] == sorted(NAMES)
    assert "List recorded events, newest first." in listed


def test_a_command_that_does_not_exist(app: Flask, run: RunCommand) -> None:
    """A name that is not a command is refused, even if a module has it."""
    for name in ("chek", "probe"):
        result = run(app, name)
        assert result.exit_code == 2
        assert f"No such command '{name}'" in result.output
