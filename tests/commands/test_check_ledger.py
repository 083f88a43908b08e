"""What ``flask fd-whatsapp check`` reports about a ledger in a database, and a queue."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import MakeApp
from .conftest import RunCommand, RunJSON, url_in

pytestmark = pytest.mark.usefixtures("sync_ticket")


def test_durable_ledger_is_listed_with_its_file(
    durable: Flask, run_json: RunJSON, tmp_path: Path
) -> None:
    """A ledger in a database is listed as durable with its file, and nothing is wrong with it."""
    (receiver,) = run_json(durable, "check")["receivers"]
    assert receiver["ledger"] == f"SQLLedger (durable), the file {tmp_path / 'ledger.db'}"
    assert receiver["findings"] == []
    assert receiver["rejects_invalid"] is False


def test_values_that_are_not_plain(make_durable: MakeApp, run: RunCommand) -> None:
    """A setting that depends on the ledger is shown with its effective value."""
    output = run(make_durable(CAMPAIGN=r"^\w+"), "check").output
    assert "REJECT_INVALID = None (False in effect, since the ledger is durable)\n" in output
    assert "CAMPAIGN = (set)\n" in output


def test_a_file_that_cannot_be_opened(
    make_durable: MakeApp, run_json: RunJSON, tmp_path: Path
) -> None:
    """A SQLite file that cannot be opened is named."""
    (tmp_path / "folder").mkdir()
    app = make_durable(LEDGER_URL=f"sqlite:///{tmp_path / 'folder'}")
    (receiver,) = run_json(app, "check", status=1)["receivers"]
    assert f"(the file is {tmp_path / 'folder'})" in receiver["findings"][0]["text"]


def test_check_names_the_upgrade_command(
    make_durable: MakeApp, run_json: RunJSON, tmp_path: Path
) -> None:
    """A ledger that is not up to date is an error that names the command."""
    engine = create_engine(url_in(tmp_path))
    app = make_durable(FreshdeskWhatsApp(ledger=SQLLedger(engine)))
    (receiver,) = run_json(app, "check", status=1)["receivers"]
    assert receiver["ledger"] == "cannot be used"
    (finding,) = receiver["findings"]
    assert finding["level"] == "error"
    assert "flask fd-whatsapp upgrade" in finding["text"]


def test_doubts_about_a_hosts_engine_are_warnings(
    make_durable: MakeApp, run_json: RunJSON, tmp_path: Path
) -> None:
    """Each doubt about a host's own engine is a warning, not an error."""
    ledger = SQLLedger(create_engine(url_in(tmp_path)))
    ledger.upgrade()
    app = make_durable(FreshdeskWhatsApp(ledger=ledger))
    (receiver,) = run_json(app, "check")["receivers"]
    assert {finding["level"] for finding in receiver["findings"]} == {"warning"}
    told = " ".join(finding["text"] for finding in receiver["findings"])
    assert "PRAGMA journal_mode" in told
    assert "PRAGMA foreign_keys" in told


def test_read_only_ledger_fails_the_check(
    make_durable: MakeApp, run_json: RunJSON, tmp_path: Path
) -> None:
    """A ledger that can be read and not written is an error."""
    writable = SQLLedger(create_engine(url_in(tmp_path)))
    writable.upgrade()
    engine = create_engine(f"sqlite:///file:{tmp_path / 'ledger.db'}?mode=ro&uri=true")
    app = make_durable(FreshdeskWhatsApp(ledger=SQLLedger(engine)))
    (receiver,) = run_json(app, "check", status=1)["receivers"]
    assert receiver["ledger"] == "cannot be used"
    assert "readonly" in receiver["findings"][0]["text"]
    writable.engine.dispose()


def test_what_keeps_events_from_celery_is_an_error(
    make_durable: MakeApp, run_json: RunJSON
) -> None:
    """What keeps events from being handed to Celery is an error."""
    pytest.importorskip("celery")
    app = make_durable(DISPATCH="celery")
    (receiver,) = run_json(app, "check", status=1)["receivers"]
    (finding,) = receiver["findings"]
    assert (finding["level"], 'app.extensions["celery"]' in finding["text"]) == ("error", True)
