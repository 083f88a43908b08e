"""What a new process imports, and when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

import flask_fd_whatsapp
from flask_fd_whatsapp import ledger
from flask_fd_whatsapp.ledger.memory.memory_ledger import MemoryLedger

from .concurrency.threads import TIMEOUT
from .ledger.databases import KINDS, fresh_database

HOST = """
import json, sys
from flask import Flask
from flask_fd_whatsapp import FreshdeskWhatsApp

def create_app():
    app = Flask("host")
    app.config.from_prefixed_env()
    app.register_blueprint(FreshdeskWhatsApp())
    app.cli.command("modules")(lambda: print(json.dumps(sorted(sys.modules))))
    return app
"""
POST = """
import asyncio, logging.config, urllib.request  # what a server has imported
app = create_app()
client = app.test_client()
client.get("/freshdesk/whatsapp")
before = set(sys.modules)
body = {"account_id": "1", "event_type": "outbound_message_event", "data": {
    "message_id": "M1", "status": "SENT", "timestamp": "2025-11-18T09:25:45.885Z"}}
answer = client.post("/freshdesk/whatsapp", json=body, headers={"Authorization": "Bearer t"})
print(json.dumps({"result": answer.get_json().get("result"), "before": sorted(before),
                  "first": sorted(set(sys.modules) - before)}))
"""
IMPORT = """
import blinker, flask, json, marshmallow, sys
before = set(sys.modules)
import flask_fd_whatsapp
print(json.dumps(sorted(set(sys.modules) - before)))
"""
IMPORTS_NONE_OF = {"alembic", "asyncio", "concurrent", "sqlalchemy", "subprocess", "urllib3"}
"""What is slow to import, and needed only by some, if at all."""

URLS = {
    "memory": "memory://",
    "sqlite": "sqlite:///ledger.db",
    "psycopg": "postgresql+psycopg://me@127.0.0.1:1/none",
    "pymysql": "mariadb+pymysql://me@127.0.0.1:1/none",
}


def run(folder: Path, url: str, *command: str) -> str:
    """The output of a process with the host application."""
    (folder / "host.py").write_text(HOST)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={
            **os.environ,
            "FLASK_APP": "host",
            "FLASK_FD_WHATSAPP_LEDGER_URL": url,
            "FLASK_FD_WHATSAPP_HEADERS": '{"Authorization": "Bearer t"}',
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    return done.stdout


def test_importing_the_package_imports_little_else(tmp_path: Path) -> None:
    """Importing the package imports its public names, and what only receivers need much later."""
    modules = json.loads(run(tmp_path, URLS["memory"], "-c", IMPORT))
    assert not {name.partition(".")[0] for name in modules} & IMPORTS_NONE_OF
    assert "flask_fd_whatsapp.blueprint" in modules
    late = ("commands", "dashboard", "engagement", "freshdesk", "ledger.", "receiving", "queue")
    found = {name.removeprefix("flask_fd_whatsapp.") for name in modules}
    assert {name for name in found if name.startswith(late)} == {"ledger.context"}
    assert not found & {"accounts", "registration", "settings"}


@pytest.mark.parametrize("package", [flask_fd_whatsapp, ledger])
def test_public_names_are_found_on_access(package: ModuleType) -> None:
    """A package has all its public names, although some are imported only on access."""
    assert [name for name in package.__all__ if getattr(package, name, None) is None] == []
    assert {*package.__all__} <= {*dir(package)}


@pytest.mark.parametrize("driver", ["sqlite3", "psycopg", "pymysql"])
def test_registration_imports_what_the_ledger_needs_and_touches_nothing(
    tmp_path: Path, driver: str
) -> None:
    """The driver is imported before the first request, without connecting or creating a file."""
    url = URLS[driver.removesuffix("3")]
    script = f"{HOST}\ncreate_app()\nprint(json.dumps(sorted(sys.modules)))"
    modules = json.loads(run(tmp_path, url, "-c", script))
    assert {driver, "flask_fd_whatsapp.ledger.sql.ledger"} <= {*modules}
    assert "alembic" not in modules
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["host.py"]


@pytest.mark.parametrize("kind", ["memory", *KINDS])
def test_the_first_event_imports_nothing(tmp_path: Path, kind: str) -> None:
    """No request waits for an import: registration has done them."""
    with ExitStack() as stack:
        url = URLS["memory"]
        if kind != "memory":
            url = stack.enter_context(fresh_database(kind, tmp_path))
            run(tmp_path, url, "-m", "flask", "fd-whatsapp", "upgrade")
        found = json.loads(run(tmp_path, url, "-c", HOST + POST))
    assert found["result"] == "accepted"
    assert not [name for name in found["first"] if not name.startswith("encodings.")]
    assert "alembic" not in found["before"]


def test_the_ledger_in_memory_is_imported_by_its_name() -> None:
    """``flask_fd_whatsapp.ledger`` has it, and has no name that it has not."""
    assert ledger.MemoryLedger is MemoryLedger
    with pytest.raises(AttributeError, match="MemoryLegder"):
        ledger.MemoryLegder  # type: ignore[attr-defined]  # noqa: B018


def test_commands_that_need_no_ledger_do_not_import_it(tmp_path: Path) -> None:
    """A command of the host starts as quickly as without the blueprint."""
    modules = json.loads(run(tmp_path, URLS["sqlite"], "-m", "flask", "modules"))
    assert "flask_fd_whatsapp.blueprint" in modules
    assert "sqlalchemy" not in modules
