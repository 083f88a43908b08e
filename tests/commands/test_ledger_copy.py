from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger.sql import copying

from ..conftest import TOKEN, MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of, make_due, states


def test_move_to_another_database(
    deferred: Flask,
    run: RunCommand,
    run_json: RunJSON,
    post: Post,
    make_app: MakeApp,
    tickets: Tickets,
    tmp_path: Path,
) -> None:
    """After a move, the new database has what was recorded, and pending events are handled."""
    for number in range(3):
        post(deferred, data__message_id=f"M{number}")
    url = f"sqlite:///{tmp_path}/new.db"
    copied = run_json(deferred, "copy", "--to", url)
    assert (copied["rows"]["fd_whatsapp_event"], copied["missed"]["events"]) == (3, 0)
    moved = make_app(LEDGER_URL=url, DISPATCH="deferred")
    assert post(moved, data__message_id="M1") == "accepted"  # already recorded: not twice
    make_due(moved)
    assert run(moved, "retry").exit_code == 0
    assert states(moved) == dict.fromkeys(("M0", "M1", "M2"), "done")
    assert sorted(tickets.calls) == ["M0", "M1", "M2"]
    again = run(deferred, "copy", "--to", url)
    assert (again.exit_code, "The target is not empty" in again.stderr) == (1, True)
    ledger_of(moved).engine.dispose()  # type: ignore[attr-defined]


def test_copy_that_lacks_something_fails(
    deferred: Flask, run: RunCommand, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If events were recorded meanwhile, it says how many and exits with 1."""
    post(deferred, data__message_id="M1")
    real = copying._copy_tables

    def copy_and_post(*arguments: Any) -> None:
        real(*arguments)
        post(deferred, data__message_id="M2")

    monkeypatch.setattr(copying, "_copy_tables", copy_and_post)
    result = run(deferred, "copy", "--to", f"sqlite:///{tmp_path}/new.db")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: The target lacks what was recorded during the copy (events: 1)."
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://", "--to: is in memory"),
        ("postgres://me:pa55w@host/db", "--to: is of postgres"),
        ("nonsense", "--to: is not a supported URL"),
    ],
)
def test_target_that_is_no_database(durable: Flask, run: RunCommand, url: str, said: str) -> None:
    """An unsuitable URL is an error that does not contain its password."""
    result = run(durable, "copy", "--to", url)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert "pa55w" not in result.output


def test_password_of_the_target_is_not_shown(durable: Flask, run: RunCommand) -> None:
    """A target that does not answer is a one-line error without its password, which may come from
    the environment.
    """
    url = "postgresql+psycopg://me:pa55w@127.0.0.1:1/none"
    result = run(durable, "copy", env={"FD_WHATSAPP_COPY_TO": url})
    assert (result.exit_code, result.stderr.startswith("Error: The ledger cannot be used")) == (
        1,
        True,
    )
    assert "pa55w" not in result.output


def test_ledger_in_memory_is_not_copied(make_app: MakeApp, run: RunCommand, tmp_path: Path) -> None:
    """An in-memory ledger cannot be copied: it is another process's, or empty."""
    result = run(make_app(), "copy", "--to", f"sqlite:///{tmp_path}/new.db")
    assert (result.exit_code, "not in a database" in result.stderr) == (1, True)


def test_ledger_that_receivers_share(
    make_durable: MakeApp, run: RunCommand, tmp_path: Path
) -> None:
    """Receivers that share a ledger need no choice; those with several do."""
    app = make_durable()
    app.config["FD_WHATSAPP_TWO_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_TWO_LEDGER_URL"] = app.config["FD_WHATSAPP_LEDGER_URL"]
    two = FreshdeskWhatsApp("two", config_prefix="FD_WHATSAPP_TWO", url_prefix="/two")
    app.register_blueprint(two)
    assert run(app, "copy", "--to", f"sqlite:///{tmp_path}/new.db").exit_code == 0
    app.config["FD_WHATSAPP_THREE_ALLOW_UNAUTHENTICATED"] = True
    app.config["FD_WHATSAPP_THREE_LEDGER_URL"] = f"sqlite:///{tmp_path}/three.db"
    app.register_blueprint(
        FreshdeskWhatsApp("three", config_prefix="FD_WHATSAPP_THREE", url_prefix="/three")
    )
    result = run(app, "copy", "--to", f"sqlite:///{tmp_path}/newer.db")
    assert (result.exit_code, "There are several ledgers" in result.stderr) == (2, True)


def test_copy_creates_no_folder(durable: Flask, run: RunCommand, tmp_path: Path) -> None:
    """A missing folder is a mistake; the instance folder is created as usual."""
    for path in (f"{tmp_path}/nope/dir/new.db", "nope/new.db"):
        result = run(durable, "copy", "--to", f"sqlite:///{path}")
        assert (result.exit_code, "does not exist" in result.stderr) == (2, True), result.output
    assert not (tmp_path / "nope").exists()
    assert not Path(durable.instance_path, "nope").exists()
    durable.instance_path = str(tmp_path / "instance")
    assert run(durable, "copy", "--to", "sqlite:///new.db").exit_code == 0
    assert (tmp_path / "instance" / "new.db").is_file()
