"""Adding a column of a message takes the five places that CONTRIBUTING.md names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flask_fd_whatsapp
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD

from .conftest import LEDGERS
from .databases import fresh_database

PACKAGE = Path(flask_fd_whatsapp.__file__).parent
NEXT = f"{int(HEAD) + 1:04}"

FIELD = "    language: str | None = None\n"
ADDED = {
    "ledger/sql/tables/message_tables.py": (
        '    Column("language", text(32)),\n',
        '    Column("domain", text(255)),\n',
    ),
    "ledger/learned.py": (
        '    "campaign": lambda entry: storable(entry.campaign),\n',
        '    "domain": lambda entry: storable(entry.event.account_domain),\n',
    ),
    "ledger/views.py": (FIELD, FIELD.replace("language", "domain")),
    "ledger/memory/memory_message.py": (FIELD, FIELD.replace("language", "domain")),
}
"""By module: after which line, where it stands first, another one is added."""

REVISION = f"""
import sqlalchemy as sa

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import add_columns

revision, down_revision = "{NEXT}", "{HEAD}"


def upgrade():
    add_columns("fd_whatsapp_message", [sa.Column("domain", sa.String(255))])
"""

HOST = """
import sys
from flask import Flask
from flask_fd_whatsapp import FreshdeskWhatsApp, current_ledger, status_received

app = Flask("host")
app.testing = True
app.config["FD_WHATSAPP_ALLOW_UNAUTHENTICATED"] = True
app.config["FD_WHATSAPP_LEDGER_URL"] = sys.argv[1]
app.register_blueprint(FreshdeskWhatsApp())

@status_received.connect
def handler(sender, event):
    pass

with app.app_context():
    current_ledger.upgrade()
    for status, domain in (("QUEUED", None), ("SENT", "x.freshdesk.com"), ("READ", "y.example")):
        answer = app.test_client().post("/freshdesk/whatsapp", json={
            "account_id": "1",
            "account_domain": domain,
            "event_type": "outbound_message_event",
            "data": {"message_id": "M1", "status": status, "timestamp": "2025-11-18T07:28:21Z"},
        })
        assert answer.json == {"result": "accepted"}, answer.json
    assert current_ledger.message("M1").domain == "x.freshdesk.com"
    if hasattr(current_ledger, "engine"):
        current_ledger.engine.dispose()  # else the driver may warn of open connections
"""


@pytest.mark.parametrize("kind", LEDGERS)
def test_a_column_is_added_in_five_places(kind: str, tmp_path: Path) -> None:
    """The first value of the column is kept in every ledger, and shown."""
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (before, added) in ADDED.items():
        text = (copy / name).read_text()
        assert before in text
        (copy / name).write_text(text.replace(before, before + added, 1))
    versions = copy / "ledger" / "sql" / "migrations" / "versions"
    (versions / f"{NEXT}_domain.py").write_text(REVISION)
    if kind == "memory":
        run(tmp_path, "memory://")
        return
    with fresh_database(kind, tmp_path) as url:
        run(tmp_path, url)


def run(folder: Path, url: str) -> None:
    """Run the host with the package that is in *folder*."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HOST, url],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
