"""``flask fd-whatsapp upgrade``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, inspect, text

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD

from ..conftest import TOKEN, MakeApp
from .conftest import Post, RunCommand, RunJSON, ledger_of, url_in

DOWN = "postgresql+psycopg://me:pa55w@127.0.0.1:1/none"


@pytest.fixture
def own_engine(make_durable: MakeApp, tmp_path: Path) -> Flask:
    """An application whose ledger, on an engine of its own, does not exist yet."""
    engine = create_engine(url_in(tmp_path))
    return make_durable(FreshdeskWhatsApp(ledger=lambda app: SQLLedger(engine)))


def test_upgrade_creates_the_ledger(own_engine: Flask, run: RunCommand, post: Post) -> None:
    """It creates the ledger in two lines, after which events are taken, and can be repeated."""
    assert post(own_engine) == "503"
    for what in (f"was created at revision {HEAD}", f"is up to date (revision {HEAD})"):
        result = run(own_engine, "upgrade")
        assert (result.exit_code, result.stdout) == (0, f"fd_whatsapp: the ledger {what}.\n")
        assert result.stderr in ("", f"fd_whatsapp: creating the tables of revision {HEAD} ...\n")
    assert post(own_engine) == "accepted"


def test_upgrade_as_json(own_engine: Flask, run_json: RunJSON) -> None:
    """--json has the result of each receiver."""
    (report,) = run_json(own_engine, "upgrade")["receivers"]
    assert (report["receiver"], report["is_error"]) == ("fd_whatsapp", False)
    assert (report["from"], report["to"]) == (None, HEAD)


def test_step_by_step(own_engine: Flask, run: RunCommand) -> None:
    """--to stops at a revision, reports progress on standard error, and never downgrades."""
    first = run(own_engine, "upgrade", "--to", "0002")
    assert first.stdout == "fd_whatsapp: the ledger was created at revision 0002.\n"
    second = run(own_engine, "upgrade", "--to", "0004")
    assert second.stdout == "fd_whatsapp: the ledger was upgraded from revision 0002 to 0004.\n"
    assert [line for line in second.stderr.splitlines() if "revision" in line] == [
        "fd_whatsapp: revision 0003 ...",
        "fd_whatsapp: revision 0004 ...",
    ]
    third = run(own_engine, "upgrade", "--to", "0003")
    assert third.exit_code == 0
    assert "at revision 0004, which is later than 0003: nothing was changed" in third.stdout


def test_revision_that_does_not_exist(own_engine: Flask, run: RunCommand) -> None:
    """An unknown revision is refused with the known ones, and nothing is done."""
    result = run(own_engine, "upgrade", "--to", "0815")
    assert result.exit_code == 1
    assert "no revision '0815': this version of the package knows 0001, 0002" in result.stdout
    assert HEAD in result.stdout
    assert inspect(ledger_of(own_engine).engine).get_table_names() == []  # type: ignore[attr-defined]


def test_newer_ledger_is_left_alone(durable: Flask, run: RunCommand) -> None:
    """A ledger upgraded by a later, compatible version is left alone."""
    run(durable, "upgrade")
    engine = ledger_of(durable).engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(text("UPDATE fd_whatsapp_version SET version_num = '9999'"))
    result = run(durable, "upgrade")
    assert result.exit_code == 0
    assert "newer than this version of the package (revision 9999), but compatible" in result.stdout


def test_memory_ledger_needs_no_upgrade(app: Flask, run: RunCommand) -> None:
    """An in-memory ledger needs no upgrade."""
    result = run(app, "upgrade")
    assert (result.exit_code, "nothing to do" in result.stdout) == (0, True)


def test_unknown_revision(durable: Flask, run: RunCommand) -> None:
    """An incompatible ledger of a later version is a one-line error, and left alone."""
    run(durable, "upgrade")
    engine = ledger_of(durable).engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(text("UPDATE fd_whatsapp_version SET version_num = '9999'"))
        connection.execute(text("UPDATE fd_whatsapp_compatibility SET oldest_revision = '9999'"))
    result = run(durable, "upgrade")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "9999" in result.output
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM fd_whatsapp_version")) == "9999"


def test_all_ledgers_are_upgraded_though_one_is_down(run: RunCommand, tmp_path: Path) -> None:
    """All ledgers are upgraded even if one is down, which makes it fail."""
    app = Flask("host")
    app.testing = True
    for name, url in (("down", DOWN), ("up", url_in(tmp_path))):
        app.config[f"{name.upper()}_HEADERS"] = {"Authorization": TOKEN}
        app.config[f"{name.upper()}_LEDGER_URL"] = url
        app.register_blueprint(
            FreshdeskWhatsApp(name, config_prefix=name.upper(), url_prefix=f"/{name}")
        )
    result = run(app, "upgrade", "--json")
    down, up = json.loads(result.stdout)["receivers"]
    assert result.exit_code == 1
    assert (down["is_error"], up["is_error"]) == (True, False)
    assert "pa55w" not in result.output
    assert (tmp_path / "ledger.db").exists()
    assert run(app, "upgrade", "--receiver", "up").exit_code == 0
    ledger_of(app, "up").engine.dispose()  # type: ignore[attr-defined]
