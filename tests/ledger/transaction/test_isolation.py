"""The ledger's transactions are at READ COMMITTED, whatever level the host's engine has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, select, update
from sqlalchemy.exc import DBAPIError

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_name,
    message_sent,
    status_received,
)
from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ...answers import assert_problem, assert_result, client_of
from ...conftest import URL, MakeApp, Payload
from ..databases import SERVERS
from .rows import Row, note

MakeEngine = Callable[..., Engine]

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT")

LEVEL_OF_A_SESSION = {
    "postgresql": "SHOW transaction_isolation",
    "mysql": "SELECT CONCAT(@@tx_isolation, ' ', @@autocommit)",
}


def kind_of(connection: Connection) -> str:
    return "postgresql" if connection.dialect.name == "postgresql" else "mysql"


@pytest.fixture
def make_engine(url: str) -> Iterator[MakeEngine]:
    """Creates an engine of the host for a database with an empty ledger."""
    with ExitStack() as stack:

        def make(**options: Any) -> Engine:
            engine = create_engine(url, **options)
            stack.callback(engine.dispose)
            return engine

        yield make


@pytest.fixture(params=[*LEVELS, "server's default"])
def host_engine(request: pytest.FixtureRequest, make_engine: MakeEngine, kind: str) -> Engine:
    """The host's engine, at each level; one has the stricter level from its server."""
    if request.param != "server's default":
        return make_engine(isolation_level=request.param)
    if kind == "postgresql":
        options = "-c default_transaction_isolation=serializable"
        return make_engine(connect_args={"options": options})
    statement = "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"
    return make_engine(connect_args={"init_command": statement})


@pytest.fixture
def app(make_app: MakeApp, host_engine: Engine) -> Flask:
    return make_app(FreshdeskWhatsApp(ledger=SQLLedger(host_engine)), LEASE_SECONDS=60)


def ledger_of(app: Flask) -> SQLLedger:
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return ledger


@pytest.mark.parametrize("kind", SERVERS)
def test_transactions_are_read_committed(
    app: Flask, payload: Payload, host_engine: Engine, make_engine: MakeEngine
) -> None:
    """A handler's transaction is at READ COMMITTED, and the pool's connections keep their level.

    It sees what others committed since it began (not so at the stricter levels), and nothing else.
    """
    another = make_engine()
    seen: list[list[str]] = []

    def of_the_session() -> str:
        with host_engine.connect() as connection:
            return str(connection.exec_driver_sql(LEVEL_OF_A_SESSION[kind_of(connection)]).scalar())

    def notes() -> list[str]:
        return list(current_ledger.transaction.scalars(select(Row.note).order_by(Row.note)))

    @message_sent.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        note(current_ledger.transaction)
        seen.append(notes())
        with another.connect() as other:
            note(other, "another's")
            seen.append(notes())
            other.commit()
        seen.append(notes())

    @message_sent.connect_via(app)
    def fails(app: Flask, event: StatusEvent) -> None:
        _ = current_ledger.transaction
        raise ValueError("no")

    before = of_the_session()
    assert_problem(client_of(app).post(URL, json=payload("sent")), 503, "30")
    ledger_of(app).prune(before=ledger_of(app).events()[0].received_at, limit=1)
    assert seen == [["note"], ["note"], ["another's", "note"]]
    assert [of_the_session() for _ in range(3)] == [before] * 3


@pytest.mark.parametrize("kind", SERVERS)
def test_failed_handlers_writes_are_rolled_back(
    app: Flask, payload: Payload, host_engine: Engine
) -> None:
    """What a failing handler wrote is rolled back, and so is a failing step."""

    @message_sent.connect_via(app)
    def fails(app: Flask, event: StatusEvent) -> None:
        note(current_ledger.transaction)
        raise ValueError("no")

    assert client_of(app).post(URL, json=payload("sent")).status_code == 503
    with host_engine.connect() as connection:
        assert list(connection.scalars(select(Row.note))) == []

    def fails_in_a_step() -> None:
        with ledger_of(app).database.transaction() as cursor:
            cursor.execute("INSERT INTO host_row (note) VALUES ('step')")
            raise ZeroDivisionError

    def fails_in_upkeep() -> None:
        with ledger_of(app).database.writing() as connection:
            note(connection)
            raise ZeroDivisionError

    for work in (fails_in_a_step, fails_in_upkeep):
        with pytest.raises(ZeroDivisionError):
            work()
    with host_engine.connect() as connection:
        assert list(connection.scalars(select(Row.note))) == []


@pytest.mark.parametrize("kind", SERVERS)
def test_duplicates_at_once(app: Flask, payload: Payload, host_engine: Engine) -> None:
    """A correct handler succeeds once for each event, despite duplicates and concurrency."""
    with host_engine.begin() as connection:
        note(connection, "0")

    @status_received.connect_via(app)
    def count(app: Flask, event: StatusEvent) -> None:
        transaction = current_ledger.transaction
        seen = transaction.scalar(select(Row.note).with_for_update())
        transaction.execute(update(Row).values(note=str(int(seen) + 1)))

    def post(number: int) -> int:
        body = payload("sent", data__message_id=f"M{number % 8}")
        return client_of(app).post(URL, json=body).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = Counter(pool.map(post, range(48)))
    assert set(answers) <= {200, 503}  # 503: the same message is being handled
    for number in range(8):
        assert post(number) == 200
    events = ledger_of(app).events()
    assert [(event.state, event.last_error) for event in events] == [(State.DONE, None)] * 8
    with host_engine.connect() as connection:
        assert connection.scalar(select(Row.note)) == "8"


DEADLOCK = "UPDATE host_row SET note = 'seen' WHERE id = {}"


@pytest.fixture
def deadlocked(app: Flask, host_engine: Engine) -> Callable[[Connection], None]:
    """Makes a transaction the victim of a deadlock with another."""

    def deadlock(connection: Connection) -> None:
        # The other has written more, so that MariaDB takes this one for its victim.
        with ThreadPoolExecutor(1) as pool, host_engine.connect() as other:
            if connection.dialect.name == "postgresql":
                # After this long a waiter looks for a deadlock, and is its victim.
                connection.exec_driver_sql("SET LOCAL deadlock_timeout = '20ms'")
                other.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")
            for number in (2, 3, 4, 5):
                other.exec_driver_sql(DEADLOCK.format(number))
            connection.exec_driver_sql(DEADLOCK.format(1))
            waits = pool.submit(other.exec_driver_sql, DEADLOCK.format(1))
            try:
                connection.exec_driver_sql(DEADLOCK.format(2))
            finally:
                waits.result(30)
                other.rollback()

    with host_engine.begin() as connection:
        for _ in range(5):
            note(connection, "host's")
    return deadlock


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("host_engine", ["READ COMMITTED"], indirect=True)
@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("times", [1, 4])
def test_deadlock_victim_is_called_again(
    app: Flask,
    payload: Payload,
    host_engine: Engine,
    deadlocked: Callable[[Connection], None],
    swallows: bool,
    is_last: bool,
    times: int,
) -> None:
    """A deadlock's victim is called again at once, three times in all; then it has failed.

    One that goes on as if nothing had happened does not lose what it wrote before.
    """
    calls: list[str] = []

    @message_sent.connect_via(app)
    @handler_name("victim")
    def victim(app: Flask, event: StatusEvent) -> None:
        calls.append(event.status)
        note(current_ledger.transaction, "of the victim")
        if len(calls) <= times:
            try:
                deadlocked(current_ledger.transaction)
            except DBAPIError:
                if not swallows:
                    raise

    if not is_last:

        @message_sent.connect_via(app)
        @handler_name("neighbour")
        def neighbour(app: Flask, event: StatusEvent) -> None:
            note(current_ledger.transaction, "of the neighbour")

    answer = client_of(app).post(URL, json=payload("sent"))
    with host_engine.connect() as connection:
        notes = set(connection.scalars(select(Row.note)))
    good = set() if is_last else {"of the neighbour"}
    (event,) = ledger_of(app).events()
    if times == 1:
        assert_result(answer, "accepted")
        assert notes == {"host's", "of the victim"} | good
        assert (len(calls), event.last_error) == (2, None)
    else:
        assert_problem(answer, 503, "30")
        assert notes == {"host's"} | good
        assert len(calls) == 4
        assert (event.last_error or "").startswith("victim: ")


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    "host_engine", ["SERIALIZABLE", "READ UNCOMMITTED", "AUTOCOMMIT"], indirect=True
)
def test_sqlite_handlers_write_in_one_transaction(
    app: Flask, payload: Payload, host_engine: Engine
) -> None:
    """On SQLite a handler's writes are one transaction as well, at its own level."""
    calls: list[str] = []

    @message_sent.connect_via(app)
    def fails_once(app: Flask, event: StatusEvent) -> None:
        calls.append(event.status)
        note(current_ledger.transaction, f"call {len(calls)}")
        if len(calls) == 1:
            raise ValueError("no")

    answers = [client_of(app).post(URL, json=payload("sent")).status_code for _ in range(2)]
    assert answers == [503, 200]
    with host_engine.connect() as connection:
        assert list(connection.scalars(select(Row.note))) == ["call 2"]
