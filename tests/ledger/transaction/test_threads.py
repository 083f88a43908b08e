"""A handler's threads: they share its transaction while it runs, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session

from flask_fd_whatsapp import StatusEvent, current_ledger, handler_name, message_sent
from flask_fd_whatsapp.exceptions import FreshdeskWhatsAppError
from flask_fd_whatsapp.ledger.sql import handler_transaction

from ...answers import assert_problem, assert_result, client_of
from ...conftest import URL, Payload
from .rows import Deliver, Row, note, successes

WAIT_SECONDS = 30

SLOW = {
    "sqlite": (
        "INSERT INTO host_row (note) SELECT 'slow' FROM (WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT max(i) FROM n)"
    ),
    "postgresql": "INSERT INTO host_row (note) SELECT 'slow' FROM pg_sleep(0.5)",
    "mysql": "INSERT INTO host_row (note) SELECT IF(SLEEP(0.5), 'never', 'slow')",
    "mariadb": "INSERT INTO host_row (note) SELECT IF(SLEEP(0.5), 'never', 'slow')",
}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def others_are_fine(app: Flask, payload: Payload) -> Callable[[], None]:
    """The next event is handled: no lock, no claim and no connection is left behind."""

    def check() -> None:
        answer = client_of(app).post(URL, json=payload("sent", data__message_id="another"))
        assert_result(answer, "accepted")

    return check


def orm(connection: Connection) -> None:
    with Session(bind=connection) as session:
        session.add(Row(note="late"))
        session.flush()


USES: dict[str, Callable[[Connection], Any]] = {
    "execute": lambda c: note(c, "late"),
    "driver": lambda c: c.exec_driver_sql("INSERT INTO host_row (note) VALUES ('late')"),
    "scalar": lambda c: c.scalar(text("SELECT 1")),
    "scalars": lambda c: c.scalars(text("SELECT 1")),
    "savepoint": lambda c: c.begin_nested(),
    "orm": orm,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_kept_connection(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    pool: ThreadPoolExecutor,
    others_are_fine: Callable[[], None],
    use: Callable[[Connection], Any],
) -> None:
    """A connection kept by a thread cannot be used once the handler has ended."""
    kept: list[Connection] = []
    connect(kept.append)
    assert_result(deliver(), "accepted")
    with pytest.raises(FreshdeskWhatsAppError, match="has ended"):
        pool.submit(use, kept[0]).result()
    assert rows() == []
    others_are_fine()


@pytest.mark.parametrize("fails", [False, True])
def test_late_opening(
    app: Flask,
    deliver: Deliver,
    rows: Any,
    pool: ThreadPoolExecutor,
    others_are_fine: Callable[[], None],
    fails: bool,
) -> None:
    """A late thread gets no transaction, not even in the handler's context.

    Not even that of the handler that is being called by then.
    """
    goes_on, tries = Event(), []

    def late() -> None:
        assert goes_on.wait(WAIT_SECONDS)
        note(current_ledger.transaction, "late")

    @message_sent.connect_via(app)
    @handler_name("leaves a thread")
    def leaves_a_thread(app: Flask, event: StatusEvent) -> None:
        tries.append(pool.submit(copy_context().run, late))
        if fails and len(tries) == 1:
            raise ValueError("no")

    @message_sent.connect_via(app)
    @handler_name("next")
    def next_handler(app: Flask, event: StatusEvent) -> None:
        transaction = current_ledger.transaction
        goes_on.set()
        tries[0].exception(WAIT_SECONDS)
        note(transaction, "in time")

    answer = deliver()
    assert answer.status_code == (503 if fails else 200)
    with pytest.raises(FreshdeskWhatsAppError, match="has ended"):
        tries[0].result()
    assert rows() == ["in time"]
    others_are_fine()


def executing(connection: Connection, pool: ThreadPoolExecutor) -> Future[Any]:
    """A thread that is executing a slow statement when this returns."""
    has_begun = Event()

    def tell(*_: object) -> None:
        has_begun.set()

    event.listen(connection, "before_cursor_execute", tell)
    slow = pool.submit(connection.exec_driver_sql, SLOW[connection.dialect.name])
    assert has_begun.wait(WAIT_SECONDS)
    return slow


def test_statement_at_the_end(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    pool: ThreadPoolExecutor,
    others_are_fine: Callable[[], None],
) -> None:
    """The handler's end waits for a statement that one of its threads is executing."""
    connect(lambda c: executing(c, pool))
    assert_result(deliver(), "accepted")
    assert rows() == ["slow"]
    others_are_fine()


@pytest.mark.parametrize("place", [0, 1])
def test_statement_without_end(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    engine: Engine,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    others_are_fine: Callable[[], None],
    place: int,
) -> None:
    """The wait is bounded: then the handler has failed, and the thread's writes are rolled back."""
    monkeypatch.setattr(handler_transaction, "END_SECONDS", 0.01)
    statements: list[Future[Any]] = []

    def leaves_a_thread(connection: Connection) -> None:
        if not statements:
            note(connection, "lost")
            statements.append(executing(connection, pool))

    handlers = [leaves_a_thread]
    handlers.insert(1 - place, lambda c: note(c, "good"))
    connect(*handlers)
    assert_problem(deliver(), 503, "30")
    assert statements[0].exception(WAIT_SECONDS) is None
    assert rows() == ["good"]
    assert successes(engine) == [f"handler {1 - place}"]
    assert_result(deliver(), "accepted")
    others_are_fine()


def test_threads_while_it_runs(
    app: Flask, deliver: Deliver, rows: Any, pool: ThreadPoolExecutor
) -> None:
    """Threads that the handler waits for can write in its transaction, in any order."""

    @message_sent.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        contexts = [copy_context() for _ in range(8)]

        def write() -> None:
            for _ in range(5):
                note(current_ledger.transaction)

        for done in [pool.submit(context.run, write) for context in contexts]:
            done.result(WAIT_SECONDS)
        assert rows() == []

    assert_result(deliver(), "accepted")
    assert rows() == ["note"] * 40
