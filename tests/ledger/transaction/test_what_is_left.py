"""What a handler leaves on its connection does not affect the next event."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, text

from ...answers import assert_problem, assert_result
from ...processes.waiting import wait_until
from ..databases import SERVERS
from .rows import Deliver, note

# What a handler does, and a query that shows whether it is still so.
LEFT = {
    "postgresql": {
        "SET search_path TO pg_catalog": "SELECT current_schemas(false)::text = '{public}'",
        "SET statement_timeout = '10s'": "SELECT current_setting('statement_timeout') = '0'",
        "SET ROLE pg_monitor": "SELECT current_user = session_user",
        "SELECT set_config('work_mem', '1MB', false)": (
            "SELECT setting::int > 1024 FROM pg_settings WHERE name = 'work_mem'"
        ),
        "SELECT pg_advisory_lock(7)": (
            "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database()))"
        ),
        "LISTEN tickets": "SELECT NOT EXISTS (SELECT pg_listening_channels())",
        "CREATE TEMPORARY TABLE host_row (id SERIAL PRIMARY KEY, note TEXT)": (
            "SELECT to_regclass('pg_temp.host_row') IS NULL"
        ),
    },
    "mariadb": {
        "SET SESSION sql_mode = ''": "SELECT @@sql_mode <> ''",
        "SET @tenant = 7": "SELECT @tenant IS NULL",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE": (
            "SELECT @@tx_isolation = 'READ-COMMITTED'"
        ),
        "SELECT GET_LOCK('tickets', 5)": "SELECT IS_FREE_LOCK('tickets')",
        "SET autocommit = 1": "SELECT @@autocommit = 0",
    },
}


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("kind", "statement", "is_clean"),
    [(kind, *one) for kind, several in LEFT.items() for one in several.items()],
)
def test_session_settings_are_left_to_nobody(
    deliver: Deliver,
    connect: Any,
    engine: Engine,
    statement: str,
    is_clean: str,
    fails: bool,
) -> None:
    """A handler's session settings do not affect other handlers or later events."""
    clean: list[bool] = []

    def alters(connection: Connection) -> None:
        connection.execute(text(statement))
        if fails:
            raise ValueError("no")

    def looks(connection: Connection) -> None:
        # A server takes a moment to end a session that was closed, and keeps its locks until then.
        wait_until(lambda: connection.exec_driver_sql(is_clean).scalar(), "nothing is left", 5)
        clean.append(True)

    connect(alters, looks)
    answer = deliver()  # with another search_path or role, the success cannot be recorded
    assert answer.status_code == 503 if fails else answer.status_code in (200, 503)
    with engine.connect() as connection:
        looks(connection)
    assert clean == [True, True]


def test_plain_statements_keep_the_connection(
    deliver: Deliver, connect: Any, engine: Engine
) -> None:
    """A handler that changes no settings returns its connection for reuse."""
    engine.dispose()  # others left by earlier tests would each get their turn
    opened: list[int] = []

    def plain(connection: Connection) -> None:
        note(connection)
        connection.execute(text("UPDATE host_row SET note = 'set search_path'"))
        with connection.begin_nested():
            note(connection)
        opened.append(id(connection.connection.driver_connection))

    connect(plain, plain, plain)
    assert_result(deliver(), "accepted")
    assert len(set(opened)) == 1


def test_open_savepoint(deliver: Deliver, connect: Any, rows: Any) -> None:
    """A savepoint that a handler leaves open is committed with its transaction, and gone."""

    def leaves(connection: Connection) -> None:
        connection.begin_nested()
        note(connection)

    connect(leaves, leaves)
    assert_result(deliver(), "accepted")
    assert rows() == ["note", "note"]


class GreenletExit(BaseException):
    """gevent's GreenletExit is not an ``Exception`` either."""


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt, GeneratorExit, GreenletExit])
@pytest.mark.parametrize("place", [0, 1])
def test_exit_rolls_back_and_keeps_nothing(
    app: Flask,
    deliver: Deliver,
    connect: Any,
    rows: Any,
    leaving: type[BaseException],
    place: int,
) -> None:
    """Exiting the process rolls back, and leaves no lock, claim or connection."""
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0
    calls: list[Connection] = []

    def leaves(connection: Connection) -> None:
        calls.append(connection)
        note(connection, f"of call {len(calls)}")
        if len(calls) == 1:
            raise leaving

    handlers = [leaves]
    handlers.insert(1 - place, lambda c: note(c, "good"))
    connect(*handlers)
    with pytest.raises(leaving):
        deliver()
    assert calls[0].closed
    assert_result(deliver(), "accepted")
    assert rows() == ["good", "of call 2"]


@pytest.mark.parametrize("kind", SERVERS)
def test_lock_of_a_lost_handler(deliver: Deliver, connect: Any, rows: Any, engine: Engine) -> None:
    """Rows that a failing handler had locked are free for the next handler."""
    with engine.begin() as connection:
        note(connection, "old")

    def fails(connection: Connection) -> None:
        connection.execute(text("UPDATE host_row SET note = 'changed'"))
        raise ValueError("no")

    def waits_for_nobody(connection: Connection) -> None:
        connection.execute(text("SELECT note FROM host_row FOR UPDATE NOWAIT")).all()
        note(connection, "new")

    connect(fails, waits_for_nobody)
    assert_problem(deliver(), 503, "30")
    assert rows() == ["new", "old"]
