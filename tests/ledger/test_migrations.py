from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Engine, create_engine, inspect, text

from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.ledger.sql import SQLLedger, metadata
from flask_fd_whatsapp.ledger.sql.migrate import upgrade
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD, VERSION_TABLE, revision

from ..concurrency.threads import TIMEOUT
from .conftest import REVISIONS
from .databases import fresh_database
from .entries import MOMENT, POLICY, entry, the_message
from .released_schemas import RELEASES, create

# What each revision's tables may hold: a pending event with a handler done, a quarantined body, and
# from 0002 on a rejection.
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
DATA["0002"] = f"""{DATA["0001"]};
INSERT INTO fd_whatsapp_rejection (receiver, reason, status_code, detail, last_seen)
VALUES ('fd_whatsapp', 'too_large', 413, 'why', {{time}})
"""
DATA["0003"] = DATA["0002"]
DATA["0004"] = DATA["0003"]
DATA["0005"] = DATA["0003"]
DATA["0006"] = f"""{DATA["0005"]};
INSERT INTO fd_whatsapp_send
  (receiver, account, reference, reference_digest, state, message_id, created_at)
VALUES ('fd_whatsapp', '1', 'R1', 'abc', 'sending', 'M1', {{time}})
"""
DATA["0007"] = f"""{DATA["0006"]};
UPDATE fd_whatsapp_message SET sent_on = {{time}}, receiver = 'fd_whatsapp';
INSERT INTO fd_whatsapp_aggregate
  (digest, starts_at, ends_at, account, receiver, campaign, template, code, counts, figures)
VALUES ('abc', {{time}}, {{time}}, '1', 'fd_whatsapp', '', '', '', '{{{{}}}}', '{{{{}}}}');
INSERT INTO fd_whatsapp_duplicate (receiver, hour, count) VALUES ('fd_whatsapp', {{time}}, 3)
"""
DATA["0008"] = f"""{DATA["0007"]};
UPDATE fd_whatsapp_rejection SET count = 2, first_seen = {{time}}
"""
DATA["0009"] = f"""{DATA["0008"]};
INSERT INTO fd_whatsapp_handler_error
  (event_id, handler, outcome, attempts, last_error, last_error_at)
VALUES (9, 'other', 'failed', 2, 'ValueError: why', {{time}})
"""
DATA["0010"] = f"""{DATA["0009"]};
INSERT INTO fd_whatsapp_drift (receiver, kind, place, found, count, first_seen, last_seen)
VALUES ('fd_whatsapp', 'field', 'data.button', 'text', 2, {{time}}, {{time}})
"""
DATA["0011"] = f"""{DATA["0010"]};
INSERT INTO fd_whatsapp_reconciliation (receiver, ended_at, asked, changed)
VALUES ('fd_whatsapp', {{time}}, 3, 1)
"""
DATA["0012"] = DATA["0011"]
DATA["0013"] = f"""{DATA["0012"]};
UPDATE fd_whatsapp_reconciliation SET good_at = {{time}}
"""
DATA["0014"] = DATA["0013"]


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


def assert_upgrade(bare: Engine, start: str) -> None:
    """Upgrade tables from a revision, and check that their data still works."""
    upgrade(bare)
    assert revision(bare) == HEAD
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
        assert len(ledger.rejections.last()) == (start >= "0002")
    assert ledger.record(entry("QUEUED"), POLICY, claim=False).state is State.PENDING


def test_head_is_the_newest_migration() -> None:
    """The revision the code is written for is that of the newest migration."""
    assert max(REVISIONS) == HEAD


OLDER = (pytest.param(one, marks=pytest.mark.slow) for one in REVISIONS[:-2])


@pytest.mark.parametrize("start", ["base", *OLDER, *REVISIONS[-2:]])
def test_upgrade_from_every_revision(bare_url: str, bare: Engine, start: str) -> None:
    """From every revision, with data in it, the tables become those of the metadata."""
    if start != "base":
        upgrade(bare, start)
        assert start in DATA, "write down what the revision before yours may hold"
        fill(bare, start)
    assert_upgrade(bare, start)


@pytest.mark.parametrize("release", RELEASES)
def test_upgrade_from_every_release(bare: Engine, release: str) -> None:
    """The tables that a release made, with data in them, become those of the metadata."""
    start = create(bare, release)
    fill(bare, start)
    assert_upgrade(bare, start)


def test_same_as_metadata(kind: str, bare: Engine, tmp_path: Path) -> None:
    """Migrated tables are described by the database like those made from the metadata."""
    upgrade(bare)
    with fresh_database(kind, tmp_path) as url:
        engine = create_engine(url)
        metadata.create_all(engine)
        assert shape(bare) == shape(engine)
        engine.dispose()


def test_upgrading_again_changes_nothing(bare: Engine) -> None:
    """Upgrading what is up to date changes nothing, and holds no lock afterwards."""
    for _ in range(3):
        upgrade(bare)
    other = create_engine(bare.url)
    upgrade(other)
    other.dispose()
    with bare.connect() as connection:
        assert connection.scalar(text(f"SELECT COUNT(*) FROM {VERSION_TABLE}")) == 1


def test_upgrade_that_died(bare: Engine) -> None:
    """If a process died half way through an upgrade, the next one completes it."""
    metadata.tables["fd_whatsapp_message"].create(bare)
    upgrade(bare)
    assert set(inspect(bare).get_table_names()) == {*metadata.tables, VERSION_TABLE}
    assert SQLLedger(bare).overview.backlog().pending == 0


def test_failed_upgrade_lets_go(bare: Engine) -> None:
    """A failed upgrade holds no lock: another process can complete it."""
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE fd_whatsapp_quarantine (id INTEGER)"))
    with pytest.raises(LedgerUnavailable, match=r"receiver"):
        SQLLedger(bare).upgrade()
    other = create_engine(bare.url)
    with other.begin() as connection:
        for table in ("quarantine", "handling", "event", "message"):
            connection.execute(text(f"DROP TABLE IF EXISTS fd_whatsapp_{table}"))
    upgrade(other)
    assert revision(other) == HEAD
    other.dispose()


def test_processes_upgrade_at_once(bare_url: str, bare: Engine) -> None:
    """Of several concurrent upgrades one does the work, and all succeed."""
    script = (
        "import sys; from flask import Flask; from flask_fd_whatsapp.ledger.sql import SQLLedger\n"
        "print('ready', flush=True); input()\n"
        "ledger = SQLLedger.from_url(sys.argv[1], Flask('host'))\n"
        "ledger.upgrade(); print(ledger.overview.backlog().pending); ledger.engine.dispose()"
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
    assert revision(bare) == HEAD


def test_ledgers_of_one_process_make_their_own_tables(tmp_path: Path) -> None:
    """Ledgers of one process that are first used concurrently each create their own tables."""
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
