from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as engine_event
from sqlalchemy import select, update

from flask_fd_whatsapp.events import DeliveryError
from flask_fd_whatsapp.exceptions import FreshdeskWhatsAppError
from flask_fd_whatsapp.ledger import Unusable
from flask_fd_whatsapp.ledger.send_records import SendIntent
from flask_fd_whatsapp.ledger.sql import SQLLedger, copying, metadata
from flask_fd_whatsapp.ledger.sql.copying import copy_ledger
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD, revision
from flask_fd_whatsapp.ledger.sql.tables import compatibility, event, message

from .conftest import Shared
from .databases import KINDS, SERVERS, fresh_database
from .entries import FAILED, RECEIVER, claimed, exhaust, handle, kill

ROOT = Path(__file__).parents[2]

REFERENCES = (
    "T1",
    "line\n" * 300,
    "\U0001f44b \u0645\u0631\u062d\u0628\u0627",
    " ends in a blank ",
)


NOTHING_MISSED = {"events": 0, "quarantined bodies": 0, "sends": 0}


def nothing(done: int, total: int) -> None: ...


def fill(ledger: SQLLedger) -> None:
    """A row in nearly every table, with text and bytes that databases treat differently."""
    for number, reference in enumerate(REFERENCES):
        handle(ledger, message_id=f"M{number}", reference=reference, campaign="Frühling")
    handle(ledger, "FAILED", message_id="m1", error=DeliveryError(code="131026", message="\x00"))
    _, claim = claimed(ledger, "READ", message_id="M1")
    claim.succeeded("tickets")
    claim.finish(FAILED)
    exhaust(ledger, "READ", message_id="M2")
    kill(ledger, "READ", message_id="M3", headers={"X-Data": "\u00fc\ud800"})
    keep_and_send(ledger, b"\x00\xff\xfe{", "R1")
    old = datetime.now(UTC) - timedelta(days=400)
    with ledger.engine.begin() as connection:
        of_first = message.c.message_id == "M0"
        connection.execute(update(message).where(of_first).values(last_seen=old, first_seen=old))
    assert ledger.prune(before=old + timedelta(days=1), limit=10) == 1


def keep_and_send(ledger: SQLLedger, body: bytes, reference: str) -> None:
    """Keep a body in quarantine, and record a send."""
    unusable = Unusable(receiver=RECEIVER, body=body, reason="not_json", detail="no", headers={})
    ledger.quarantine.keep(unusable, at_most=10)
    ledger.send_record.intend(
        SendIntent(receiver=RECEIVER, account_id="1", external_reference_id=reference, once=True)
    )


def rows(ledger: SQLLedger) -> dict[str, set[Any]]:
    with ledger.database.querying() as connection:
        return {
            table.name: {tuple(row) for row in connection.execute(select(table))}
            for table in metadata.sorted_tables
            if table is not compatibility
        }


@pytest.fixture
def target_kind() -> str:
    return "sqlite"


@pytest.fixture
def target(target_kind: str, tmp_path: Path) -> Iterator[SQLLedger]:
    """A database with nothing in it, not even tables."""
    with fresh_database(target_kind, tmp_path) as url:
        ledger = SQLLedger.from_url(url, Flask("host"))
        yield ledger
        ledger.engine.dispose()


@pytest.fixture
def source(shared: Shared) -> SQLLedger:
    ledger = shared("sqlite")
    fill(ledger)
    return ledger


@pytest.mark.parametrize(("kind", "target_kind"), list(permutations(KINDS, 2)))
def test_each_database_to_each_other(sql_ledger: SQLLedger, target: SQLLedger) -> None:
    """All rows arrive as they are, with their ids, and the next event gets an id after them."""
    fill(sql_ledger)
    copied = copy_ledger(sql_ledger, target, tell=nothing)
    there = rows(sql_ledger)
    assert rows(target) == there
    assert copied.rows == {name: len(all_) for name, all_ in there.items()}
    assert copied.missed == NOTHING_MISSED
    assert sum(1 for count in copied.rows.values() if count) >= 8
    assert handle(target, message_id="new") > max(row[0] for row in there["fd_whatsapp_event"])


def test_target_that_is_not_empty_is_left_alone(source: SQLLedger, target: SQLLedger) -> None:
    """A copy into a ledger that has rows is refused, and changes nothing there."""
    target.upgrade()
    handle(target, message_id="other")
    before = rows(target)
    with pytest.raises(FreshdeskWhatsAppError, match="fd_whatsapp_message has rows"):
        copy_ledger(source, target, tell=nothing)
    assert rows(target) == before


def test_old_ledger_with_events_is_left_as_it_was(source: SQLLedger, target: SQLLedger) -> None:
    """A non-empty target is not even upgraded, so that its old version can continue."""
    target.upgrade("0003")
    with target.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO fd_whatsapp_message (account_id, message_id, first_seen, last_seen)"
            " VALUES ('1', 'M1', '2025-11-01 00:00:00', '2025-11-01 00:00:00')"
        )
    with pytest.raises(FreshdeskWhatsAppError, match="fd_whatsapp_message has rows"):
        copy_ledger(source, target, tell=nothing)
    assert revision(target.engine) == "0003"


@pytest.mark.parametrize("target_kind", KINDS)
def test_old_ledger_that_is_empty_is_upgraded(source: SQLLedger, target: SQLLedger) -> None:
    """Empty tables of an older version count as empty."""
    target.upgrade("0003")
    copy_ledger(source, target, tell=nothing)
    assert rows(target) == rows(source)


@pytest.mark.slow
@pytest.mark.parametrize("target_kind", KINDS)
def test_copy_that_is_killed_leaves_nothing(
    target_kind: str, target: SQLLedger, source: SQLLedger
) -> None:
    """After a SIGKILL half way the target is empty, and the copy can be run again."""
    urls = [one.engine.url.render_as_string(hide_password=False) for one in (source, target)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *urls], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert not any(rows(target).values())
    copy_ledger(source, target, tell=nothing)
    assert rows(target) == rows(source)


KILLED = """
import os, signal, sys
from flask import Flask
from flask_fd_whatsapp.ledger.sql import SQLLedger, copying

def kill(done, total):
    if done > total / 2:
        os.kill(os.getpid(), signal.SIGKILL)

copying.ROWS = 2
copying.copy_ledger(*(SQLLedger.from_url(url, Flask("host")) for url in sys.argv[1:]), tell=kill)
"""


def test_copy_that_fails_leaves_nothing(source: SQLLedger, target: SQLLedger) -> None:
    """A copy that fails half way leaves an empty target, and can be repeated."""

    def interrupt(done: int, total: int) -> None:
        if done > len(REFERENCES):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_ledger(source, target, tell=interrupt)
    assert not any(rows(target).values())
    copy_ledger(source, target, tell=nothing)


def test_rows_that_got_lost_are_noticed(source: SQLLedger, target: SQLLedger) -> None:
    """A target with fewer rows than the source is an error, and stays empty."""
    target.upgrade()
    with target.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER loses AFTER INSERT ON fd_whatsapp_handling BEGIN "
            "DELETE FROM fd_whatsapp_handling WHERE event_id = NEW.event_id; END"
        )
    with pytest.raises(FreshdeskWhatsAppError, match=r"fd_whatsapp_handling has \d+ rows in the"):
        copy_ledger(source, target, tell=nothing)
    assert not any(rows(target).values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_in_meanwhile_is_told(sql_ledger: SQLLedger, target: SQLLedger) -> None:
    """Rows recorded during the copy are not in the target, and are counted."""
    fill(sql_ledger)
    before = rows(sql_ledger)

    def record(done: int, total: int) -> None:
        if done == total:
            for number in range(2):
                handle(sql_ledger, message_id=f"late{number}")
            keep_and_send(sql_ledger, b"late", "late")

    missed = copy_ledger(sql_ledger, target, tell=record).missed
    assert missed == {"events": 2, "quarantined bodies": 1, "sends": 1}
    assert rows(target) == before


@pytest.mark.parametrize("kind", SERVERS)
def test_what_took_a_lower_id_and_ended_later_is_told(
    sql_ledger: SQLLedger, target: SQLLedger
) -> None:
    """Concurrent transactions may commit in another order than their ids: all are counted."""
    handle(sql_ledger, message_id="M1")
    slow = sql_ledger.engine.connect()
    begun = slow.begin()
    (values,) = slow.execute(select(event).limit(1)).mappings().all()
    late = {**values, "status": "LATE"}
    del late["id"]
    slow.execute(event.insert().values(late))
    handle(sql_ledger, message_id="M2")  # with a higher id

    def end(done: int, total: int) -> None:
        if begun.is_active:
            begun.commit()

    try:
        missed = copy_ledger(sql_ledger, target, tell=end).missed
    finally:
        slow.close()
    assert missed == NOTHING_MISSED | {"events": 1}
    with sql_ledger.engine.connect() as connection:
        ids = connection.execute(select(event.c.id, event.c.status)).all()
    assert max(ids).status != "LATE"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_pruned_meanwhile_hides_nothing(sql_ledger: SQLLedger, target: SQLLedger) -> None:
    """Rows deleted during the copy do not offset those added."""
    for number in range(3):
        handle(sql_ledger, message_id=f"M{number}")

    def change(done: int, total: int) -> None:
        if done == total:
            sql_ledger.maintenance.erase(message_id="M1")
            handle(sql_ledger, message_id="late")

    copied = copy_ledger(sql_ledger, target, tell=change)
    assert (copied.rows["fd_whatsapp_event"], copied.missed["events"]) == (3, 1)


def test_rows_are_read_in_batches(
    source: SQLLedger, target: SQLLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows there are, no statement writes more than a batch."""
    monkeypatch.setattr(copying, "ROWS", 3)
    told: list[int] = []
    written: list[int] = []

    @engine_event.listens_for(target.engine, "before_cursor_execute")
    def count(conn: Any, cursor: Any, text: str, values: Any, _: Any, many: bool) -> None:
        if text.startswith("INSERT INTO fd_whatsapp_event"):
            written.append(len(values) if many else 1)

    copy_ledger(source, target, tell=lambda done, total: told.append(done))
    assert (max(written), told) == (3, sorted(told))


def test_newer_tables_are_not_copied(source: SQLLedger, target: SQLLedger) -> None:
    """A ledger with columns of a later version is left to that version, or they would be lost."""
    target.upgrade()
    with target.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE fd_whatsapp_version SET version_num = '9999'")
    with pytest.raises(FreshdeskWhatsAppError, match=f"9999 .* knows {HEAD}"):
        copy_ledger(source, target, tell=nothing)


@pytest.mark.parametrize(("kind", "tool"), [("postgresql", "pg_dump"), ("mariadb", "mariadb-dump")])
def test_server_is_backed_up_with_its_own_tool(
    sql_ledger: SQLLedger, tool: str, tmp_path: Path
) -> None:
    """For a database on a server an error names the server's own tool."""
    with pytest.raises(FreshdeskWhatsAppError, match=f"`{tool} --"):
        sql_ledger.maintenance.back_up(tmp_path / "one", tell=nothing)
