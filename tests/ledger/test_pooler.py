"""PostgreSQL behind PgBouncer, where each transaction may run on another server process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Column, MetaData, String, Table, create_engine, make_url, select
from sqlalchemy import event as events

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_received
from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..answers import client_of
from ..conftest import URL, MakeApp, Payload
from .pooler import pgbouncer

EVENTS = 240
THREADS = 8

effect = Table("host_effect", MetaData(), Column("message_id", String(64)))


@pytest.fixture(params=["postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """PostgreSQL alone."""
    return str(request.param)


@pytest.fixture(params=["transaction", "session"])
def pooled_url(request: pytest.FixtureRequest, bare_url: str) -> Iterator[str]:
    """A database behind a pooler, in each of the modes that PgBouncer is run in."""
    with pgbouncer(make_url(bare_url), request.param) as url:
        yield url.render_as_string(hide_password=False)


def post_all(app: Flask, payload: Payload) -> Counter[int]:
    """The number of events by answered status."""

    def post(number: int) -> int:
        body = payload(data__message_id=f"M{number}")
        return client_of(app).post(URL, json=body).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(post, range(EVENTS)))


def test_all_works_behind_a_pooler(pooled_url: str, make_app: MakeApp, payload: Payload) -> None:
    """Behind a pooler everything works: no event is refused, no effect is lost."""
    app = make_app(LEDGER_URL=pooled_url)
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.upgrade()
    effect.create(ledger.engine)

    @status_received.connect_via(app)
    def write(app: Flask, event: StatusEvent) -> None:
        ledger.transaction.execute(effect.insert().values(message_id=event.message_id))

    assert post_all(app, payload) == {200: EVENTS}
    assert ledger.check() == []
    assert {event.state for event in ledger.events(limit=EVENTS)} == {State.DONE}
    with ledger.engine.connect() as connection:
        written = Counter(connection.scalars(select(effect.c.message_id)))
    assert written == {f"M{number}": 1 for number in range(EVENTS)}
    ledger.engine.dispose()


def test_an_upgrade_sets_nothing_in_others_sessions(pooled_url: str, make_app: MakeApp) -> None:
    """Behind a pooler an upgrade only sets limits that end with its own transactions."""
    app = make_app(LEDGER_URL=pooled_url)
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        statements.append(statement)

    events.listen(ledger.engine, "before_cursor_execute", note)
    ledger.upgrade()
    assert any("CONCURRENTLY" in statement for statement in statements)
    limits = [one for one in statements if "_timeout" in one and one.startswith(("SET", "RESET"))]
    assert {one.split()[1] for one in limits} == {"LOCAL"}
    ledger.engine.dispose()


@pytest.fixture
def make_hosts(
    pooled_url: str, make_app: MakeApp
) -> Iterator[Callable[[dict[str, Any]], tuple[Flask, SQLLedger]]]:
    """A factory of applications whose ledger is on an engine of the host's."""
    ledgers: list[SQLLedger] = []

    def make(connect_args: dict[str, Any]) -> tuple[Flask, SQLLedger]:
        ledger = SQLLedger(create_engine(pooled_url, connect_args=connect_args))
        ledgers.append(ledger)
        ledger.upgrade()
        return make_app(FreshdeskWhatsApp(ledger=ledger)), ledger

    yield make
    for ledger in ledgers:
        ledger.engine.dispose()


@pytest.mark.parametrize("pooled_url", ["transaction"], indirect=True)
def test_hosts_engine(
    make_hosts: Callable[[dict[str, Any]], tuple[Flask, SQLLedger]],
    payload: Payload,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """``check`` and the log say how to stop a host's engine from preparing statements."""
    app, ledger = make_hosts({"prepare_threshold": 0})
    (doubt,) = ledger.check()
    assert "pooler" in doubt
    assert 'connect_args={"prepare_threshold": None}' in doubt
    assert post_all(app, payload)[503]
    assert 'connect_args={"prepare_threshold": None}' in caplog.text


@pytest.mark.parametrize("pooled_url", ["transaction"], indirect=True)
def test_hosts_engine_that_does_not_prepare(
    make_hosts: Callable[[dict[str, Any]], tuple[Flask, SQLLedger]], payload: Payload
) -> None:
    """A host's engine that prepares no statements works behind a pooler."""
    app, ledger = make_hosts({"prepare_threshold": None})
    assert ledger.check() == []
    assert post_all(app, payload) == {200: EVENTS}
