"""A handler that loses its connection has failed; the others have not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_failed,
    handler_name,
    message_sent,
)
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ...answers import assert_problem, assert_result, client_of
from ...conftest import URL, MakeApp, Payload
from ..databases import SERVERS
from .backends import administrator, backend_of, kill, wait_until_gone
from .rows import Deliver, Handler, note, successes


def before_the_first_statement(connection: Connection) -> None:
    kill(connection)
    note(connection, "lost")


def between_statements(connection: Connection) -> None:
    note(connection, "lost")
    kill(connection)
    note(connection, "lost")


def before_the_commit(connection: Connection) -> None:
    note(connection, "lost")
    kill(connection)


def without_noticing(connection: Connection) -> None:
    note(connection, "lost")
    kill(connection)
    with suppress(SQLAlchemyError):
        note(connection, "lost")


def and_fails_otherwise(connection: Connection) -> None:
    note(connection, "lost")
    kill(connection)
    raise ValueError("no")


def by_the_servers_time_limit(connection: Connection) -> None:
    limit = {
        "postgresql": "SET LOCAL idle_in_transaction_session_timeout = 50",
        "mysql": "SET SESSION idle_transaction_timeout = 1",
    }
    kind = "postgresql" if connection.dialect.name == "postgresql" else "mysql"
    connection.exec_driver_sql(limit[kind])
    note(connection, "lost")
    wait_until_gone(connection.engine, backend_of(connection))
    note(connection, "lost")


LOSSES: list[Handler] = [
    before_the_first_statement,
    between_statements,
    before_the_commit,
    without_noticing,
    and_fails_otherwise,
    by_the_servers_time_limit,
]


def invalidate(connection: Connection) -> None:
    note(connection, "lost")
    connection.invalidate()


def invalidate_and_go_on(connection: Connection) -> None:
    invalidate(connection)
    with suppress(SQLAlchemyError):
        note(connection, "lost")


def close_at_the_driver(connection: Connection) -> None:
    note(connection, "lost")
    driver: Any = connection.connection.driver_connection
    driver.close()


def swallow_an_error(connection: Connection) -> None:
    note(connection, "lost")
    with suppress(SQLAlchemyError):
        connection.execute(text("SELECT * FROM no_such_table"))
    connection.execute(text("SELECT 1"))


def detach_and_fail(connection: Connection) -> None:
    note(connection, "lost")
    connection.detach()
    raise ValueError("no")


@pytest.fixture
def failed() -> list[str]:
    """The names of the handlers reported by ``handler_failed``."""
    names: list[str] = []

    def tell(app: Flask, event: StatusEvent, handler: str, exception: BaseException) -> None:
        names.append(handler)

    handler_failed.connect(tell, weak=False)
    return names


def once(work: Handler) -> Handler:
    """Do *work* at the first call, and write a row at the others."""
    calls: list[Connection] = []

    def handler(connection: Connection) -> None:
        calls.append(connection)
        work(connection) if len(calls) == 1 else note(connection, "mended")

    return handler


def assert_its_own_failure(
    deliver: Deliver,
    connect: Any,
    rows: Callable[[], list[str]],
    ledger: SQLLedger,
    failed: list[str],
    caplog: pytest.LogCaptureFixture,
    work: Handler,
    place: int,
) -> None:
    handlers: list[Handler] = [lambda c: note(c, "good"), lambda c: note(c, "good")]
    handlers.insert(place, once(work))
    connect(*handlers)
    assert_problem(deliver(), 503, "30")
    neighbours = [f"handler {number}" for number in range(3) if number != place]
    assert rows() == ["good", "good"]
    assert successes(ledger.engine) == neighbours
    assert failed == [f"handler {place}"]
    assert f"Handler handler {place} failed" in caplog.text
    assert "ledger cannot be used" not in caplog.text
    (event,) = ledger.events()
    assert (event.attempts, event.state.value) == (1, "pending")
    assert (event.last_error or "").startswith(f"handler {place}: ")
    assert_result(deliver(), "accepted")  # without waiting for a lease
    assert rows() == ["good", "good", "mended"]


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("work", LOSSES, ids=lambda work: work.__name__)
def test_lost_backend(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    sql_ledger: SQLLedger,
    failed: list[str],
    caplog: pytest.LogCaptureFixture,
    work: Handler,
    place: int,
) -> None:
    """A backend lost in one handler's transaction is only that handler's failure, whenever it
    happens.
    """
    assert_its_own_failure(deliver, connect, rows, sql_ledger, failed, caplog, work, place)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize(
    "work", [invalidate, invalidate_and_go_on, close_at_the_driver, detach_and_fail]
)
def test_own_doing(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    sql_ledger: SQLLedger,
    failed: list[str],
    caplog: pytest.LogCaptureFixture,
    work: Handler,
    place: int,
) -> None:
    """A connection that the handler invalidates, closes or detaches is its own failure, too."""
    assert_its_own_failure(deliver, connect, rows, sql_ledger, failed, caplog, work, place)


@pytest.mark.parametrize("kind", ["postgresql"])  # the others continue after an error
@pytest.mark.parametrize("place", [0, 2])
def test_aborted_transaction_is_a_failure(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    sql_ledger: SQLLedger,
    failed: list[str],
    caplog: pytest.LogCaptureFixture,
    place: int,
) -> None:
    """A transaction that the database has aborted is the handler's failure, too."""
    assert_its_own_failure(
        deliver, connect, rows, sql_ledger, failed, caplog, swallow_an_error, place
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_cannot_be_opened(
    make_app: MakeApp, payload: Payload, bare: Engine, failed: list[str]
) -> None:
    """If no connection is available for a transaction, the handler that needs it has failed."""
    ledger = SQLLedger(bare)
    ledger.upgrade()
    app = make_app(FreshdeskWhatsApp(ledger=ledger))
    called: list[str] = []

    @message_sent.connect_via(app)
    @handler_name("greedy")
    def greedy(app: Flask, event: StatusEvent) -> None:
        pool: Any = bare.pool
        pool._timeout = 0.01
        taken = [bare.connect() for _ in range(pool.size() + pool._max_overflow)]
        try:
            current_ledger.transaction.execute(text("SELECT 1"))
        finally:
            for connection in taken:
                connection.close()

    @message_sent.connect_via(app)
    def neighbour(app: Flask, event: StatusEvent) -> None:
        current_ledger.transaction.execute(text("SELECT 1"))
        called.append(event.status)

    assert_problem(client_of(app).post(URL, json=payload("sent")), 503, "30")
    assert (called, failed) == (["SENT"], ["greedy"])


@pytest.mark.parametrize("kind", SERVERS)
def test_ledger_is_down(
    deliver: Deliver, connect: Any, rows: Any, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """If the ledger cannot be used on a new connection either, it is not the handler's failure."""
    with administrator(engine) as other:

        def lose_everything(connection: Connection) -> None:
            kill(connection)
            other.exec_driver_sql("ALTER TABLE fd_whatsapp_message RENAME TO away")

        connect(lose_everything, lambda c: note(c, "not kept"))
        try:
            assert_problem(deliver(), 503, "30")
        finally:
            other.exec_driver_sql("ALTER TABLE away RENAME TO fd_whatsapp_message")
    assert "ledger cannot be used" in caplog.text
    assert rows() == []
