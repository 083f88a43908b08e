from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, create_engine, inspect, text

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.ledger.sql import SQLLedger, metadata
from flask_fd_whatsapp.ledger.sql.migrate import VERSION_TABLE, _config, head, revision, upgrade

from ..answers import assert_problem, assert_result, client_of
from ..concurrency.threads import TIMEOUT
from ..conftest import URL, MakeApp, Payload
from .databases import SERVERS, fresh_database
from .entries import MOMENT, POLICY, entry, the_message

REVISIONS = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]

# What each revision's tables may hold: a pending event with a handler done, and a quarantined body.
DATA = {
    "0001": """
INSERT INTO fd_whatsapp_message
  (id, account_id, message_id, external_reference_id, campaign, status, status_rank, sent_at,
   first_seen, last_seen)
VALUES (7, '1', 'M1', 'R1', 'spring', 'SENT', 1, {time}, {time}, {time});
INSERT INTO fd_whatsapp_event
  (id, message_key, status, timestamp, received_at, receiver, payload, headers, is_stale,
   attempts, due_at)
VALUES (9, 7, 'SENT', {time}, {time}, 'fd_whatsapp', '{{}}', '{{}}', {false}, 1, {time});
INSERT INTO fd_whatsapp_handling (event_id, handler, is_superseded, handled_at)
VALUES (9, 'done', {false}, {time});
INSERT INTO fd_whatsapp_quarantine
  (id, receiver, digest, is_ignored, reason, detail, body, headers, first_seen, last_seen, count)
VALUES (3, 'fd_whatsapp', 'abc', {false}, 'invalid', 'why', 'x', '{{}}', {time}, {time}, 2)
"""
}


@pytest.fixture
def bare(bare_url: str) -> Any:
    """An engine of a database with nothing in it."""
    engine = create_engine(bare_url)
    yield engine
    engine.dispose()


def fill(engine: Engine, at: str) -> None:
    values = {
        "time": f"'{MOMENT:%Y-%m-%d %H:%M:%S.%f}{'+00' if is_postgresql(engine) else ''}'",
        "false": "FALSE" if is_postgresql(engine) else "0",
    }
    with engine.begin() as connection:
        for statement in DATA[at].split(";"):
            connection.exec_driver_sql(statement.format(**values))


def is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


def shape(engine: Engine) -> dict[str, Any]:
    """The tables as the database describes them."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": [
                {**column, "type": repr(column["type"])} for column in inspector.get_columns(table)
            ],
            "indexes": sorted(
                (
                    index["name"],
                    index["column_names"],
                    *map(str, index.get("dialect_options", {}).values()),
                )
                for index in inspector.get_indexes(table)
            ),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "primary": inspector.get_pk_constraint(table),
            "foreign": sorted(map(str, inspector.get_foreign_keys(table))),
        }
        for table in metadata.tables
    }


@pytest.mark.parametrize("start", ["base", *REVISIONS])
def test_upgrade(bare_url: str, bare: Engine, start: str) -> None:
    """From every revision, with data in it, the tables become those of the metadata."""
    if start != "base":
        upgrade(bare, start)
        assert start in DATA, "write down what the revision before yours may hold"
        fill(bare, start)
    upgrade(bare)
    assert revision(bare) == head()
    with bare.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    ledger = SQLLedger(bare)
    if start != "base":
        assert the_message(ledger).times == {"SENT": MOMENT}
        (event,) = ledger.events(state=State.PENDING, campaign="spring")
        found = ledger.claim(event.id, POLICY)
        assert found is not None
        assert found.succeeded == {"done"}
        assert [entry.count for entry in ledger.quarantined()] == [2]
    assert ledger.record(entry("QUEUED"), POLICY, claim=False).state is State.PENDING


def test_same_as_metadata(kind: str, bare: Engine, tmp_path: Path) -> None:
    """Migrated tables are described by the database like those made from the metadata."""
    upgrade(bare)
    with fresh_database(kind, tmp_path) as url:
        engine = create_engine(url)
        metadata.create_all(engine)
        assert shape(bare) == shape(engine)
        engine.dispose()


def test_again(bare: Engine) -> None:
    """Upgrading what is up to date changes nothing, and holds no lock afterwards."""
    for _ in range(3):
        upgrade(bare)
    other = create_engine(bare.url)
    upgrade(other)
    other.dispose()
    with bare.connect() as connection:
        assert connection.scalar(text(f"SELECT COUNT(*) FROM {VERSION_TABLE}")) == 1


def test_failed_upgrade_lets_go(bare: Engine) -> None:
    """An upgrade that fails holds no lock: the next one, of another process, does its work."""
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE fd_whatsapp_quarantine (id INTEGER)"))
    with pytest.raises(LedgerUnavailable, match=r"fd_whatsapp_quarantine"):
        SQLLedger(bare).upgrade()
    other = create_engine(bare.url)
    with other.begin() as connection:
        for table in ("quarantine", "handling", "event", "message"):
            connection.execute(text(f"DROP TABLE IF EXISTS fd_whatsapp_{table}"))
    upgrade(other)
    assert revision(other) == head()
    other.dispose()


def test_processes(bare_url: str, bare: Engine) -> None:
    """Of several processes that upgrade at once one does it, and all of them succeed."""
    script = (
        "import sys; from flask import Flask; from flask_fd_whatsapp.ledger.sql import SQLLedger\n"
        "print('ready', flush=True); input()\n"
        "ledger = SQLLedger.from_url(sys.argv[1], Flask('host'))\n"
        "ledger.upgrade(); print(ledger.backlog().pending); ledger.engine.dispose()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, bare_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=TIMEOUT) == ("0\n", "")
    assert revision(bare) == head()


def test_threads(tmp_path: Path) -> None:
    """Ledgers of one process that are first used at once each make their own tables."""
    barrier = Barrier(8)
    app = Flask("host")

    def first_use(number: int) -> list[int]:
        ledger = SQLLedger.from_url(f"sqlite:///{tmp_path}/{number}.db", app)
        barrier.wait(TIMEOUT)
        ids = [ledger.record(entry(message_id=str(n)), POLICY).id for n in range(number)]
        ledger.engine.dispose()
        return ids

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(first_use, range(8)))
    assert found == [list(range(1, number + 1)) for number in range(8)]


@pytest.mark.parametrize("kind", SERVERS)
def test_not_upgraded(
    bare_url: str,
    make_app: MakeApp,
    payload: Payload,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server's ledger without tables is a 503, a CRITICAL line names the command, which mends."""
    app = make_app(LEDGER_URL=bare_url)
    client = client_of(app)
    assert_problem(client.post(URL, json=payload()), 503, "30")
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "flask fd-whatsapp upgrade" in record.getMessage()
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    with pytest.raises(LedgerUnavailable, match=r"flask fd-whatsapp upgrade"):
        ledger.check()
    ledger.upgrade()
    assert ledger.check() == []
    assert_result(client.post(URL, json=payload()), "accepted")
    ledger.engine.dispose()


def test_newer_than_the_package(bare_url: str, bare: Engine) -> None:
    """Tables of a newer version of the package are not used, and the message says so."""
    upgrade(bare)
    with bare.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    ledger = SQLLedger(bare)
    with pytest.raises(LedgerUnavailable, match=r"9999.*flask fd-whatsapp upgrade"):
        ledger.record(entry(), POLICY)


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("start", ["base", *REVISIONS])
def test_own_file_at_first_use(
    bare_url: str, bare: Engine, make_app: MakeApp, payload: Payload, start: str
) -> None:
    """A SQLite file of the blueprint's own is made, or upgraded, by the first event."""
    upgrade(bare, start)
    app = make_app(LEDGER_URL=bare_url)
    assert_result(client_of(app).post(URL, json=payload()), "accepted")
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    assert revision(bare) == head()


@pytest.mark.parametrize("is_absolute", [True, False])
def test_path(tmp_path: Path, payload: Payload, is_absolute: bool) -> None:
    """A SQLite path is relative to the instance folder, and nothing is made before first use."""
    instance = tmp_path / "instance"
    app = Flask("host", instance_path=str(instance))
    path = tmp_path / "elsewhere" / "l.db" if is_absolute else Path("ledger") / "l.db"
    app.config["FD_WHATSAPP_LEDGER_URL"] = f"sqlite:///{path}"
    app.config["FD_WHATSAPP_ALLOW_UNAUTHENTICATED"] = True
    app.register_blueprint(FreshdeskWhatsApp())
    assert list(tmp_path.iterdir()) == []
    assert_result(app.test_client().post(URL, json=payload()), "accepted")
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [instance / path]
