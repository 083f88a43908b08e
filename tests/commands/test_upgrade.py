"""``flask fd-whatsapp upgrade``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import TOKEN, MakeApp
from .conftest import Post, RunCommand, RunJSON, ledger_of, url_in

DOWN = "postgresql+psycopg://me:pa55w@127.0.0.1:1/none"


@pytest.fixture
def own_engine(make_durable: MakeApp, tmp_path: Path) -> Flask:
    """An application whose ledger, on an engine of its own, does not exist yet."""
    engine = create_engine(url_in(tmp_path))
    return make_durable(FreshdeskWhatsApp(ledger=lambda app: SQLLedger(engine)))


def test_creates(own_engine: Flask, run: RunCommand, post: Post) -> None:
    """It creates the ledger, after which events are taken, and can be repeated."""
    assert post(own_engine) == "503"
    for _ in range(2):
        result = run(own_engine, "upgrade")
        assert (result.exit_code, result.stdout) == (0, "fd_whatsapp: the ledger is up to date.\n")
    assert post(own_engine) == "accepted"


def test_json(own_engine: Flask, run_json: RunJSON) -> None:
    """With --json it tells the result of each receiver."""
    (report,) = run_json(own_engine, "upgrade")["receivers"]
    assert (report["receiver"], report["is_error"]) == ("fd_whatsapp", False)


def test_memory(app: Flask, run: RunCommand) -> None:
    """For a ledger in memory there is nothing to do."""
    result = run(app, "upgrade")
    assert (result.exit_code, "nothing to do" in result.stdout) == (0, True)


def test_unknown_revision(durable: Flask, run: RunCommand) -> None:
    """A ledger that a later version has changed for good is one line, and left alone."""
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


def test_several(run: RunCommand, tmp_path: Path) -> None:
    """All receivers' ledgers are upgraded though one is down, which is enough to fail."""
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
