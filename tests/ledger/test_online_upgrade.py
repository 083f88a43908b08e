"""Upgrading tables that are in use."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, event, text

from flask_fd_whatsapp.exceptions import FreshdeskWhatsAppError, LedgerUnavailable
from flask_fd_whatsapp.ledger import Upgraded
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects.timeouts import LONG_ANSWER_SECONDS
from flask_fd_whatsapp.ledger.sql.migrate import upgrade
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD, revision

from ..concurrency.threads import TIMEOUT
from .databases import SERVERS
from .test_migrations import fill

INDEX = "ix_fd_whatsapp_event_receiver_received_at"

NEEDS_EVENTS = {
    "postgresql": "to fd_whatsapp_event",
    "mariadb": "to fd_whatsapp_message",  # to which that of events refers
}

servers = pytest.mark.parametrize("kind", SERVERS)


@pytest.fixture
def other(bare_url: str) -> Iterator[Engine]:
    """An engine of another process that uses the tables, with short time-outs."""
    options = {
        "postgresql": {"options": "-c lock_timeout=20000"},
        "mariadb": {"init_command": "SET SESSION lock_wait_timeout = 20"},
    }
    kind = bare_url.partition("+")[0]
    engine = create_engine(bare_url, connect_args=options[kind])
    yield engine
    engine.dispose()


def use(connection: Connection, table: str) -> None:
    """Have a transaction that has written to a table."""
    connection.execute(text(f"UPDATE fd_whatsapp_{table} SET last_seen = last_seen WHERE 1 = 0"))


@contextmanager
def upgrading(engine: Engine, start: str) -> Generator[Future[Upgraded]]:
    """An upgrade in another thread, from the point where it needs the table of events."""
    has_begun = Event()
    told = INDEX if start == "0001" else NEEDS_EVENTS[engine.dialect.name]

    def tell(what: str) -> None:
        if told in what:
            has_begun.set()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(upgrade, engine, tell=tell)
        assert has_begun.wait(TIMEOUT)
        yield running
        running.result(TIMEOUT)


@servers
@pytest.mark.parametrize("start", ["0001", "0004"])
def test_a_table_in_use_stays_usable_while_its_upgrade_waits(
    bare: Engine, other: Engine, start: str
) -> None:
    """While a change waits for a long transaction, others can write; then the upgrade continues."""
    upgrade(bare, start)
    fill(bare, start)
    with other.connect() as long:
        long.execute(text("UPDATE fd_whatsapp_event SET attempts = 2"))
        with upgrading(bare, start) as running:
            for _ in range(5):
                with other.begin() as connection:
                    connection.execute(text("DELETE FROM fd_whatsapp_event WHERE id = 4711"))
            assert not running.done()
            long.commit()
    assert revision(bare) == HEAD


@servers
def test_an_upgrade_holds_no_table_while_it_waits_for_another(bare: Engine, other: Engine) -> None:
    """A transaction that uses tables in another order does not deadlock with the upgrade."""
    upgrade(bare, "0004")
    with other.connect() as long:
        long.execute(text("DELETE FROM fd_whatsapp_event WHERE id = 4711"))
        with upgrading(bare, "0004"):
            use(long, "message")
            long.commit()
    assert revision(bare) == HEAD


@servers
def test_an_upgrade_that_gets_no_lock_gives_up_and_says_why(bare: Engine, other: Engine) -> None:
    """A failed upgrade names the change and the remedy, keeps what is done, and can be repeated."""
    upgrade(bare, "0004")
    with other.connect() as long:
        long.execute(text("DELETE FROM fd_whatsapp_event WHERE id = 4711"))
        with pytest.raises(
            LedgerUnavailable,
            match=r"Gave up adding the column \w+ to fd_whatsapp_\w+ after 0\.1 seconds"
            r".*run `flask fd-whatsapp upgrade` again",
        ):
            upgrade(bare, patience=0.1)
        assert revision(bare) == "0004"
    assert upgrade(bare) == Upgraded(before="0004", after=HEAD)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_upgrade_of_a_locked_file_gives_up_and_says_why(bare: Engine, bare_url: str) -> None:
    """On SQLite the file's lock cannot be obtained."""
    upgrade(bare, "0004")
    waits_briefly = create_engine(bare_url, connect_args={"timeout": 0.01})
    with bare.connect() as long:
        long.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match=r"Gave up taking SQLite's lock"):
            upgrade(waits_briefly, patience=0.1)
    assert upgrade(waits_briefly).after == HEAD
    waits_briefly.dispose()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_an_index_that_a_killed_upgrade_left_invalid_is_built_anew(bare: Engine) -> None:
    """PostgreSQL keeps an index whose concurrent building was interrupted, and never uses it."""
    upgrade(bare, "0001")
    with bare.begin() as connection:
        connection.execute(
            text(f"CREATE INDEX {INDEX} ON fd_whatsapp_event (receiver, received_at)")
        )
        invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"
        connection.execute(text(invalid), {"name": INDEX})
    upgrade(bare)
    with bare.connect() as connection:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
        assert connection.scalar(text(valid), {"name": INDEX}) is True


@pytest.mark.parametrize("kind", ["postgresql"])
def test_limits_of_the_server_do_not_end_the_building_of_an_index(bare: Engine) -> None:
    """The statement_timeout does not apply to the upgrade; afterwards it does again."""
    upgrade(bare, "0001")
    limited = create_engine(bare.url, connect_args={"options": "-c statement_timeout=1234"})
    seen: list[str] = []

    def tell(what: str) -> None:
        seen.append(what)

    assert upgrade(limited, tell=tell).after == HEAD
    assert f"building the index {INDEX} ..." in seen
    with limited.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "1234ms"
    limited.dispose()


@pytest.mark.parametrize("kind", ["mariadb"])
def test_limits_of_the_driver_do_not_end_a_change_that_takes_long(bare: Engine) -> None:
    """The driver's time-out does not apply to the upgrade; afterwards it does again."""
    upgrade(bare, "0004")
    limited = create_engine(
        bare.url,
        connect_args={"read_timeout": 20, "init_command": "SET SESSION max_statement_time = 20"},
    )

    def limits_of(driver: Any) -> tuple[float, float]:
        with driver.cursor() as cursor:
            cursor.execute("SELECT @@SESSION.max_statement_time")
            return driver._read_timeout, *cursor.fetchone()

    at_changes = set()

    @event.listens_for(limited, "before_cursor_execute")
    def look(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if statement.lstrip().startswith("ALTER TABLE"):
            at_changes.add(limits_of(connection.connection.driver_connection))

    assert upgrade(limited).after == HEAD
    assert at_changes == {(LONG_ANSWER_SECONDS, 0)}
    with limited.connect() as connection:
        assert limits_of(connection.connection.driver_connection) == (20, 20)
    limited.dispose()


def test_an_unknown_revision_is_refused(bare: Engine) -> None:
    """An unknown revision is refused with the known ones, and nothing is changed."""
    with pytest.raises(FreshdeskWhatsAppError, match=f"no revision '0815'.*0001, .*{HEAD}"):
        upgrade(bare, "0815")
    assert revision(bare) is None


def test_an_upgrade_is_one_line_in_the_log(bare_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Only the package's own messages are logged, not Alembic's."""
    caplog.set_level(logging.INFO)
    ledger = SQLLedger.from_url(bare_url, Flask("host"))
    for _ in range(2):
        ledger.upgrade()
    ledger.engine.dispose()
    assert [record.getMessage() for record in caplog.records] == [
        f"The ledger was created at revision {HEAD}."
    ]
