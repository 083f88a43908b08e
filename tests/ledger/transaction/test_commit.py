from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from flask_fd_whatsapp import (
    StatusEvent,
    current_ledger,
    status_received,
)
from flask_fd_whatsapp.exceptions import FreshdeskWhatsAppError
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ...answers import assert_problem, assert_result
from ..entries import end_leases
from .rows import Deliver, Handler, Row, fail, later, note, successes


def test_commits_with_success(deliver: Deliver, connect: Any, rows: Any, engine: Engine) -> None:
    """What handlers write commits with each one's success, once, even the last one's."""
    connect(lambda c: note(c, "first"), lambda c: note(c, "last"))
    assert_result(deliver(), "accepted")
    assert_result(deliver(), "duplicate")
    assert rows() == ["first", "last"]
    assert successes(engine) == ["handler 0", "handler 1"]


@pytest.mark.parametrize("bad", [fail, later])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_rolls_back_with_failure(
    deliver: Deliver, connect: Any, rows: Any, engine: Engine, bad: Handler, place: int
) -> None:
    """What a failing handler wrote is rolled back, wherever it is in the order; the others'
    stays.
    """
    handlers = [lambda c: note(c, "good"), lambda c: note(c, "good")]
    handlers.insert(place, bad)
    connect(*handlers)
    for _ in range(2):
        assert deliver().status_code == 503
        assert rows() == ["good", "good"]
        names = [f"handler {number}" for number in range(3) if number != place]
        assert successes(engine) == names


def test_nothing_uncommitted_is_seen(deliver: Deliver, connect: Any, rows: Any) -> None:
    """A handler's writes are visible once it has succeeded, also to the next handler."""
    seen: list[list[str]] = []
    connect(
        lambda c: (note(c), seen.append(rows())),
        lambda c: seen.append(list(c.scalars(select(Row.note)))),
    )
    assert_result(deliver(), "accepted")
    assert seen == [[], ["note"]]


def test_same_connection(deliver: Deliver, connect: Any) -> None:
    """Within a handler the transaction is always the same connection."""
    same: list[bool] = []
    connect(lambda c: same.append(current_ledger.transaction is c))
    assert_result(deliver(), "accepted")
    assert same == [True]


def test_savepoint_rolls_a_part_back(deliver: Deliver, connect: Any, rows: Any) -> None:
    """Part of a handler's writes can be rolled back with a savepoint."""

    def in_parts(connection: Connection) -> None:
        note(connection, "kept")
        savepoint = connection.begin_nested()
        note(connection, "dropped")
        savepoint.rollback()
        with connection.begin_nested():
            note(connection, "kept too")

    connect(in_parts)
    assert_result(deliver(), "accepted")
    assert rows() == ["kept", "kept too"]


@pytest.mark.parametrize("ending", ["commit", "flush", "error"])
def test_orm_session_writes_in_the_transaction(
    deliver: Deliver, connect: Any, rows: Any, ending: str
) -> None:
    """An ORM session bound to the transaction writes in it, and its own commit does not end it."""
    fails = [ending == "error"]

    def with_session(connection: Connection) -> None:
        with Session(bind=connection) as session:
            session.add(Row(note="orm"))
            session.flush() if ending == "flush" else session.commit()
            assert rows() == []
            if fails.pop():
                raise ValueError("no")
            fails.append(False)

    connect(with_session)
    if ending == "error":
        assert deliver().status_code == 503
        assert rows() == []
        fails.append(False)
    assert_result(deliver(), "accepted")
    assert rows() == ["orm"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])  # MariaDB has none
def test_deferred_constraint(deliver: Deliver, connect: Any, rows: Any, engine: Engine) -> None:
    """An error at the commit makes the handler fail, and rolls everything back."""
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS host_child"))
        connection.execute(
            text(
                "CREATE TABLE host_child (parent INTEGER NOT NULL REFERENCES host_row (id) "
                "DEFERRABLE INITIALLY DEFERRED)"
            )
        )

    def orphan(connection: Connection) -> None:
        note(connection, "of the orphan")
        connection.execute(text("INSERT INTO host_child VALUES (4711)"))

    connect(orphan, lambda c: note(c, "good"), orphan)
    try:
        for _ in range(2):
            assert_problem(deliver(), 503, "30")
            assert rows() == ["good"]
            assert successes(engine) == ["handler 1"]
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE host_child"))


def test_unused_transaction_holds_nothing(
    app: Flask, deliver: Deliver, sql_ledger: SQLLedger
) -> None:
    """A handler that does not use the transaction holds no lock and no connection."""
    begun: list[Any] = []

    def begins(connection: Connection) -> None:
        begun.append(connection)

    done: list[Any] = []
    other = create_engine(
        sql_ledger.engine.url,
        connect_args={"timeout": 0} if sql_ledger.engine.dialect.name == "sqlite" else {},
    )

    @status_received.connect_via(app)
    def writes_elsewhere(app: Flask, event: StatusEvent) -> None:
        assert not begun
        with other.begin() as connection:
            connection.execute(text("UPDATE fd_whatsapp_message SET last_seen = last_seen"))
            connection.execute(text("UPDATE fd_whatsapp_event SET attempts = attempts"))
            note(connection)
        done.append(event)

    event.listen(sql_ledger.engine, "begin", begins)
    assert_result(deliver(), "accepted")
    event.remove(sql_ledger.engine, "begin", begins)
    other.dispose()
    assert len(done) == 1


def test_async_handler(app: Flask, deliver: Deliver, rows: Any) -> None:
    """A coroutine function writes in the transaction like any other handler."""
    fails = [True]

    @status_received.connect_via(app)
    async def handler(app: Flask, event: StatusEvent) -> None:
        note(current_ledger.transaction)
        if fails.pop():
            raise ValueError("no")

    assert deliver().status_code == 503
    assert rows() == []
    fails.append(False)
    assert_result(deliver(), "accepted")
    assert rows() == ["note"]


def test_late_holder(app: Flask, deliver: Deliver, rows: Any, sql_ledger: SQLLedger) -> None:
    """A handler that lost its message writes nothing: one row, not two."""
    answers: list[TestResponse | None] = []

    @status_received.connect_via(app)
    def slow(app: Flask, event: StatusEvent) -> None:
        if not answers:
            answers.append(None)
            end_leases(sql_ledger)
            answers.append(deliver())
        note(current_ledger.transaction, "slow")

    late = deliver()
    assert_result(answers[1], "accepted")
    assert_problem(late, 503, "5")
    assert rows() == ["slow"]


def test_no_transaction_outside_a_handler(app: Flask, sql_ledger: SQLLedger) -> None:
    """Outside a handler there is no transaction, and the error says why."""
    with app.app_context(), pytest.raises(FreshdeskWhatsAppError, match=r"handlers"):
        _ = current_ledger.transaction


def test_other_ledger(app: Flask, deliver: Deliver) -> None:
    """In a handler of another ledger's event there is none either; an in-memory ledger never has
    one.
    """
    errors: list[str] = []

    @status_received.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        for ledger in (MemoryLedger(), SQLLedger(create_engine("sqlite://"))):
            with pytest.raises(FreshdeskWhatsAppError) as caught:
                _ = ledger.transaction
            errors.append(str(caught.value))

    assert_result(deliver(), "accepted")
    assert "FD_WHATSAPP_LEDGER_URL" in errors[0]
    assert "this ledger's events" in errors[1]
