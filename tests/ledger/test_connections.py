"""Connections: ended by the server, failing, and in another time zone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from flask_fd_whatsapp import StatusEvent, status_received
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.pool import MOST, KeptConnection

from ..answers import assert_result, client_of
from ..conftest import URL, MakeApp, Payload
from ..processes.waiting import wait_until
from .databases import SERVERS
from .entries import claimed

POOLED = 5

OTHERS = {
    "postgresql": "SELECT pid FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mariadb": "SELECT id FROM information_schema.processlist "
    "WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def make_ledger(make_app: MakeApp) -> Iterator[Callable[[str], tuple[Flask, SQLLedger]]]:
    """A factory of applications with an upgraded ledger in a server's database."""
    ledgers: list[SQLLedger] = []

    def make(url: str) -> tuple[Flask, SQLLedger]:
        app = make_app(LEDGER_URL=url)
        ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledgers.append(ledger)
        ledger.upgrade()
        return app, ledger

    yield make
    for ledger in ledgers:
        ledger.engine.dispose()


@pytest.fixture
def administrator(bare_url: str) -> Iterator[Engine]:
    """A separate engine that keeps no connection."""
    engine = create_engine(bare_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    yield engine
    engine.dispose()


def fill_pool(engine: Engine) -> None:
    """Let the pool keep as many idle connections as a busy process has."""
    connections = [engine.connect() for _ in range(POOLED)]
    for connection in connections:
        connection.close()
    assert engine.pool.checkedin() == POOLED  # type: ignore[attr-defined]


def end_all(administrator: Engine, kind: str) -> None:
    """End all other connections, as a restart of the server does."""
    with administrator.connect() as connection:
        numbers = connection.exec_driver_sql(OTHERS[kind]).scalars().all()
        assert len(numbers) >= POOLED
        for number in numbers:
            connection.exec_driver_sql(END[kind].format(number))
        wait_until(
            lambda: not connection.exec_driver_sql(OTHERS[kind]).all(), "the connections are gone"
        )


@pytest.mark.parametrize("kind", SERVERS)
def test_ended_by_the_server(
    bare_url: str,
    administrator: Engine,
    make_ledger: Callable[[str], tuple[Flask, SQLLedger]],
    payload: Payload,
    kind: str,
) -> None:
    """If the server has ended all connections, for example for being idle, no event is a 503."""
    app, ledger = make_ledger(bare_url)
    client = client_of(app)
    assert_result(client.post(URL, json=payload("queued")), "accepted")
    for name in ("sent", "delivered", "read"):
        fill_pool(ledger.engine)
        end_all(administrator, kind)
        assert_result(client.post(URL, json=payload(name)), "accepted")
    assert [event.attempts for event in ledger.events()] == [1] * 4


@pytest.mark.parametrize("kind", SERVERS)
def test_ended_while_pooled(
    bare_url: str,
    administrator: Engine,
    make_ledger: Callable[[str], tuple[Flask, SQLLedger]],
    payload: Payload,
    kind: str,
) -> None:
    """Ended connections are replaced for queries and handlers' transactions, too."""
    app, ledger = make_ledger(bare_url)

    @status_received.connect_via(app)
    def use(app: Flask, event: StatusEvent) -> None:
        fill_pool(ledger.engine)
        end_all(administrator, kind)
        ledger.transaction.exec_driver_sql("SELECT 1")

    assert_result(client_of(app).post(URL, json=payload("queued")), "accepted")
    fill_pool(ledger.engine)
    end_all(administrator, kind)
    assert [event.attempts for event in ledger.events()] == [1]


@pytest.mark.parametrize("kind", SERVERS)
def test_ended_while_handling(
    bare_url: str,
    administrator: Engine,
    make_ledger: Callable[[str], tuple[Flask, SQLLedger]],
    payload: Payload,
    kind: str,
) -> None:
    """Connections that end during a handler cost no event a 503, and no second call."""
    app, ledger = make_ledger(bare_url)
    calls: list[str] = []

    @status_received.connect_via(app)
    def outlives(app: Flask, event: StatusEvent) -> None:
        calls.append(event.status)
        if len(calls) == 1:
            fill_pool(ledger.engine)
            end_all(administrator, kind)

    client = client_of(app)
    assert_result(client.post(URL, json=payload("sent")), "accepted")
    assert_result(client.post(URL, json=payload(data__message_id="M2")), "accepted")
    assert calls == ["SENT", "QUEUED"]


REFUSE = """CREATE TRIGGER refuse BEFORE INSERT ON fd_whatsapp_handling
BEGIN SELECT RAISE(ABORT, 'not now'); END"""


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_kept_error_holds_no_lock(
    bare_url: str, make_ledger: Callable[[str], tuple[Flask, SQLLedger]]
) -> None:
    """A database error that is kept with its traceback holds no lock."""
    _, ledger = make_ledger(bare_url)
    _, claim = claimed(ledger)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(REFUSE)
    with pytest.raises(LedgerUnavailable, match="not now") as kept:
        claim.succeeded("handler")
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
    assert claim.finish(Tried(succeeded="handler")) is State.DONE
    assert kept.value.__traceback__ is not None


ZONES = ["Asia/Kolkata", "America/New_York"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("of", ["connection", "database"])
@pytest.mark.parametrize("kind", ["postgresql"])
def test_the_ends_of_the_calendar_are_read_back_in_any_time_zone(
    bare_url: str,
    administrator: Engine,
    make_ledger: Callable[[str], tuple[Flask, SQLLedger]],
    payload: Payload,
    zone: str,
    of: str,
) -> None:
    """The first and last moments of the calendar are read back, whatever the server's time zone."""
    url = make_url(bare_url)
    if of == "database":
        with administrator.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {url.database} SET timezone TO '{zone}'")
    else:
        url = url.update_query_dict({"options": f"-c timezone={zone}"})
    app, ledger = make_ledger(url.render_as_string(hide_password=False))
    seen: list[datetime] = []

    @status_received.connect_via(app)
    def see(app: Flask, event: StatusEvent) -> None:
        seen.append(event.timestamp)

    for name, moment in (("sent", FIRST), ("PLAYED", LAST), ("read", LAST)):
        body = payload("sent", data__status=name, data__timestamp=moment.isoformat())
        assert_result(client_of(app).post(URL, json=body), "accepted")
    message_id = body["data"]["message_id"]
    message = ledger.message(message_id)
    assert message is not None
    assert message.times == {"SENT": FIRST, "PLAYED": LAST, "READ": LAST}
    assert [event.timestamp for event in ledger.events(after=0)] == [FIRST, LAST, LAST]
    assert seen == [FIRST, LAST, LAST]


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_kept_connections_are_bounded(
    bare_url: str, make_ledger: Callable[[str], tuple[Flask, SQLLedger]], kind: str
) -> None:
    """A bounded number of connections for events is kept; further ones come from the pool."""
    _, ledger = make_ledger(bare_url)
    database, pool = ledger.database, ledger.engine.pool
    taken = [database.connect() for _ in range(MOST + 2)]
    assert pool.checkedout() == 2  # type: ignore[attr-defined]
    for connection in taken:
        connection.close()
    assert pool.checkedout() == 0  # type: ignore[attr-defined]
    kept = {connection.driver_connection for connection in taken[:MOST]}
    again = [database.connect() for _ in range(MOST)]
    assert {connection.driver_connection for connection in again} == kept
    for connection in again:
        connection.close()


def keep_two(ledger: SQLLedger) -> list[Any]:
    """Two kept idle connections, the longer idle one first."""
    kept = [ledger.database.connect() for _ in range(2)]
    for connection in kept:
        connection.close()
    return kept


@pytest.mark.parametrize("kind", SERVERS)
def test_kept_connections_are_used_in_rotation(
    bare_url: str, make_ledger: Callable[[str], tuple[Flask, SQLLedger]], kind: str
) -> None:
    """Kept connections are used in rotation, so that a server ends none for being idle."""
    _, ledger = make_ledger(bare_url)
    first, second = keep_two(ledger)
    for expected in (first, second, first):
        connection = ledger.database.connect()
        assert connection is expected
        connection.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_refused_statement_costs_its_own_connection(
    bare_url: str, make_ledger: Callable[[str], tuple[Flask, SQLLedger]], kind: str
) -> None:
    """A refused statement costs its own connection, and no other."""
    _, ledger = make_ledger(bare_url)
    _, idle = keep_two(ledger)
    with pytest.raises(LedgerUnavailable), ledger.database.reading() as cursor:
        cursor.execute("SELECT nonsense")
    connection = ledger.database.connect()
    assert connection is idle
    connection.close()


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_interrupted_commit(
    bare_url: str, make_ledger: Callable[[str], tuple[Flask, SQLLedger]], kind: str
) -> None:
    """Interrupted commits leave no connection open."""
    _, ledger = make_ledger(bare_url)
    database = ledger.database

    def interrupt(_: object) -> NoReturn:
        raise KeyboardInterrupt

    for _ in range(MOST + 1):
        transaction = database.transaction()
        transaction._commit = interrupt  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt), transaction:
            pass
    connection = database.connect()
    assert isinstance(connection, KeptConnection)
    connection.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_disposed_engine_opens_new_connections(
    bare_url: str,
    administrator: Engine,
    make_ledger: Callable[[str], tuple[Flask, SQLLedger]],
    kind: str,
) -> None:
    """A disposed engine has no connections left, and opens new ones on demand."""
    _, ledger = make_ledger(bare_url)
    claimed(ledger)
    ledger.engine.dispose()
    with administrator.connect() as connection:
        wait_until(
            lambda: not connection.exec_driver_sql(OTHERS[kind]).all(), "the connections are gone"
        )
    claimed(ledger, message_id="M2")


def test_given_back_after_all_were_renewed(
    make_ledger: Callable[[str], tuple[Flask, SQLLedger]], bare_url: str
) -> None:
    """A kept connection in use during a renewal is closed when it is returned."""
    _, ledger = make_ledger(bare_url)
    connection = ledger.database.connect()
    assert isinstance(connection, KeptConnection)
    driver = connection.driver_connection
    ledger.database.renew()
    connection.close()
    with pytest.raises(ledger.database.driver_error):
        driver.cursor().execute("SELECT 1")
