"""Servers that do not answer: a failover, a NAT that dropped the connection, a lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, engine, make_url

from flask_fd_whatsapp import StatusEvent, current_ledger, status_received
from flask_fd_whatsapp.commands import status
from flask_fd_whatsapp.dashboard import Dashboard, csv_download, dashboard, message_paging
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects import mariadb_connection, psycopg_connection, timeouts

from ..answers import assert_result, client_of
from ..conftest import URL, MakeApp, Payload
from .databases import SERVERS
from .entries import POLICY, entry
from .proxy import Network, network

pytestmark = pytest.mark.slow  # each waits for time-outs

REQUESTS = 8
SHORT_SECONDS = 1
HANDLER_SECONDS = 4
ENOUGH_SECONDS = 20
"""Far more than the shortened time-outs take, and far less than the system's own."""

DEFAULT_PORTS = {"postgresql": 5432, "mariadb": 3306}


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of server."""
    return str(request.param)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs that a test can wait for."""
    monkeypatch.setattr(psycopg_connection.TimedConnection, "answer_seconds", SHORT_SECONDS)
    monkeypatch.setitem(psycopg_connection.PARAMETERS, "connect_timeout", 2)  # libpq's minimum
    monkeypatch.setattr(mariadb_connection, "ANSWER_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(mariadb_connection, "LOCK_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(psycopg_connection, "LOCK_SECONDS", SHORT_SECONDS)


@pytest.fixture
def direct(bare_url: str) -> engine.URL:
    """The database's direct URL, not through the network."""
    return make_url(bare_url)


@pytest.fixture
def wire(direct: engine.URL, kind: str) -> Iterator[Network]:
    with network((direct.host or "127.0.0.1", direct.port or DEFAULT_PORTS[kind])) as wire:
        yield wire


@pytest.fixture
def app(make_app: MakeApp, direct: engine.URL, wire: Network, _short: None) -> Iterator[Flask]:
    """An application whose ledger is reached through the network."""
    url = direct.set(host="127.0.0.1", port=wire.port)
    app = make_app(
        LEDGER_URL=url.render_as_string(hide_password=False), HANDLER_SECONDS=HANDLER_SECONDS
    )
    ledger_of(app).upgrade()
    yield app
    ledger_of(app).engine.dispose()


def ledger_of(app: Flask) -> SQLLedger:
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return ledger


def test_silent_network_is_503_in_time(app: Flask, wire: Network, payload: Payload) -> None:
    """Requests in progress when the network goes silent are 503s in time, and 200s once it is
    back.
    """

    def post(number: int) -> int:
        body = payload(data__message_id=f"M{number}")
        return client_of(app).post(URL, json=body).status_code

    with ThreadPoolExecutor(REQUESTS) as pool:
        assert set(pool.map(post, range(REQUESTS))) == {200}
        wire.go_silent()
        start = time.monotonic()
        assert set(pool.map(post, range(REQUESTS, 2 * REQUESTS))) == {503}
        assert set(pool.map(post, range(REQUESTS, 2 * REQUESTS))) == {503}
        assert time.monotonic() - start < ENOUGH_SECONDS
        wire.come_back()
        assert set(pool.map(post, range(REQUESTS, 2 * REQUESTS))) == {200}


def test_silent_while_renewing(make_app: MakeApp, direct: engine.URL, wire: Network) -> None:
    """A renewal waits for an answer for a quarter of the lease at most, and the next one is heard.

    The ledger's own time-out for answers is longer.
    """
    url = direct.set(host="127.0.0.1", port=wire.port)
    ledger = ledger_of(make_app(LEDGER_URL=url.render_as_string(hide_password=False)))
    ledger.upgrade()
    claim = ledger.record(entry(), replace(POLICY, lease_seconds=4)).claim
    assert claim is not None
    claim.renew()
    wire.go_silent()
    start = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        claim.renew()
    assert time.monotonic() - start < ENOUGH_SECONDS
    wire.come_back()
    claim.renew()
    ledger.engine.dispose()


def test_silent_while_handling(app: Flask, wire: Network, payload: Payload) -> None:
    """A handler whose transaction gets no answer within HANDLER_SECONDS has failed in time."""
    silences = [True]

    @status_received.connect_via(app)
    def write(app: Flask, event: StatusEvent) -> None:
        transaction = current_ledger.transaction  # type: ignore[attr-defined]
        if silences:
            silences.pop()
            wire.go_silent()
        transaction.exec_driver_sql("SELECT 1")

    start = time.monotonic()
    assert client_of(app).post(URL, json=payload()).status_code == 503
    assert time.monotonic() - start < ENOUGH_SECONDS
    wire.come_back()
    ledger_of(app).engine.dispose()
    assert_result(client_of(app).post(URL, json=payload(data__message_id="M2")), "accepted")


@pytest.mark.parametrize("path", ["campaigns", "messages", "operations"])
def test_silent_page(app: Flask, wire: Network, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A page whose ledger goes silent is a 503 in time, however long reports may take."""
    monkeypatch.setattr(dashboard, "PAGE_SECONDS", SHORT_SECONDS)
    app.register_blueprint(Dashboard(guard=lambda: True, url_prefix="/pages"))
    ledger_of(app).events()  # on a connection that stays open
    wire.go_silent()
    start = time.monotonic()
    assert app.test_client().get(f"/pages/{path}").status_code == 503
    assert time.monotonic() - start < ENOUGH_SECONDS
    wire.come_back()
    assert app.test_client().get(f"/pages/{path}").status_code == 200


def test_silent_in_the_middle_of_a_download(
    app: Flask, wire: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download ends in time if its ledger goes silent while it is read."""
    monkeypatch.setattr(csv_download, "PAGE_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(csv_download, "_BATCH", 1)
    monkeypatch.setattr(message_paging, "BATCH", 1)
    app.register_blueprint(Dashboard(guard=lambda: True, url_prefix="/pages"))
    for number in range(3):
        ledger_of(app).record(entry(message_id=f"M{number}"), POLICY)
    answer = app.test_client().get("/pages/messages.csv", buffered=False)
    lines = iter(answer.response)
    assert next(lines)
    wire.go_silent()
    start = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        list(lines)
    assert time.monotonic() - start < ENOUGH_SECONDS
    answer.close()


def test_silent_status(app: Flask, wire: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """``status`` tells a monitor in time that the ledger is silent."""
    monkeypatch.setattr(status, "PAGE_SECONDS", SHORT_SECONDS)
    ledger_of(app).events()  # on a connection that stays open
    wire.go_silent()
    start = time.monotonic()
    done = app.test_cli_runner().invoke(args=["fd-whatsapp", "status", "--no-trial-write"])
    assert time.monotonic() - start < ENOUGH_SECONDS
    assert done.exit_code == 1
    assert "Problem: fd_whatsapp: The ledger cannot be used" in done.output


SLEEP = {"postgresql": "SELECT pg_sleep({})", "mariadb": "SELECT SLEEP({})"}


def test_slow_statement_of_a_handler(app: Flask, kind: str, payload: Payload) -> None:
    """A handler's statement may take as long as the handler; after it the connection has its own
    limit again.
    """

    @status_received.connect_via(app)
    def work(app: Flask, event: StatusEvent) -> None:
        transaction = current_ledger.transaction  # type: ignore[attr-defined]
        transaction.exec_driver_sql(SLEEP[kind].format(1.5 * SHORT_SECONDS))

    assert_result(client_of(app).post(URL, json=payload()), "accepted")
    with ledger_of(app).engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        found = getattr(driver, str(ledger_of(app).database.time_out_attribute))
    assert found == SHORT_SECONDS


def test_silent_greeting(
    make_app: MakeApp, direct: engine.URL, wire: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts a connection but sends no greeting is given up as early as one that
    does not accept, however long answers may take.
    """
    monkeypatch.setattr(mariadb_connection, "CONNECT_SECONDS", SHORT_SECONDS)
    monkeypatch.setitem(psycopg_connection.PARAMETERS, "connect_timeout", 2)  # libpq's minimum
    url = direct.set(host="127.0.0.1", port=wire.port)
    app = make_app(LEDGER_URL=url.render_as_string(hide_password=False))
    wire.go_silent()
    start = time.monotonic()
    with app.app_context(), pytest.raises(LedgerUnavailable):
        ledger_of(app).counts()
    assert time.monotonic() - start < ENOUGH_SECONDS < mariadb_connection.ANSWER_SECONDS
    wire.come_back()
    with app.app_context():
        ledger_of(app).upgrade()
        with ledger_of(app).engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            found = getattr(driver, str(ledger_of(app).database.time_out_attribute))
        assert found == timeouts.ANSWER_SECONDS  # that was only for the greeting
    ledger_of(app).engine.dispose()


LOCKS = {
    "postgresql": "LOCK TABLE fd_whatsapp_message IN ACCESS EXCLUSIVE MODE",
    "mariadb": "SELECT * FROM fd_whatsapp_message FOR UPDATE",
}


def test_waiting_for_a_lock_ends_in_time(app: Flask, direct: engine.URL, kind: str) -> None:
    """Waiting for a lock ends in time, and succeeds once it is free."""
    ledger = ledger_of(app)
    ledger.record(entry(), POLICY)
    other = create_engine(direct)
    with other.begin() as connection:
        connection.exec_driver_sql(LOCKS[kind])
        start = time.monotonic()
        with pytest.raises(LedgerUnavailable):
            ledger.record(entry("READ"), POLICY)
        assert time.monotonic() - start < ENOUGH_SECONDS
    assert ledger.record(entry("READ"), POLICY).claim is None  # the first has it
    other.dispose()


SLEEP = {"postgresql": "SELECT pg_sleep(2)", "mariadb": "SELECT SLEEP(2)"}


def test_what_may_take_long_is_waited_for(app: Flask, kind: str) -> None:
    """Only long-running work has the long time-out."""
    engine, database = ledger_of(app).engine, ledger_of(app).database
    with engine.connect() as connection, database.patient(connection):
        connection.exec_driver_sql(SLEEP[kind])
    with engine.connect() as connection, pytest.raises(Exception, match=r"not answered|timed out"):
        connection.exec_driver_sql(SLEEP[kind])
