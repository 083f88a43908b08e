"""Receivers of one application that share a database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, current_ledger, status_received
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..answers import assert_result, client_of
from ..conftest import TOKEN, Payload
from .test_connections import OTHERS

RECEIVERS = 50
THREADS = 16
MOST_CONNECTIONS = 20
"""Of a process, as docs/sizing.md says."""


def make_app(url: str, *names: str) -> Flask:
    """An application with a receiver of each name, all with one database."""
    app = Flask("host")
    app.testing = True
    for name in names:
        prefix = f"FD_{name.upper()}"
        app.config[f"{prefix}_HEADERS"] = {"Authorization": TOKEN}
        app.config[f"{prefix}_LEDGER_URL"] = url
        app.register_blueprint(FreshdeskWhatsApp(name, config_prefix=prefix, url_prefix=f"/{name}"))
    return app


def ledger_of(app: Flask, name: str) -> SQLLedger:
    ledger: SQLLedger = app.extensions["fd_whatsapp"][name].ledger
    return ledger


@pytest.fixture
def fifty(bare_url: str) -> Iterator[Flask]:
    app = make_app(bare_url, *(f"r{number}" for number in range(RECEIVERS)))
    ledger_of(app, "r0").upgrade()
    yield app
    ledger_of(app, "r0").engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_fifty_receivers_share_connections(
    fifty: Flask, bare_url: str, kind: str, payload: Payload
) -> None:
    """Fifty receivers on one database have no more connections than one."""

    @status_received.connect_via(fifty)
    def write(app: Flask, event: StatusEvent) -> None:
        transaction = current_ledger.transaction  # type: ignore[attr-defined]
        transaction.exec_driver_sql("SELECT 1")

    def post(number: int) -> int:
        body = payload(data__message_id=f"M{number}")
        return client_of(fifty).post(f"/r{number % RECEIVERS}/whatsapp", json=body).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(post, range(4 * RECEIVERS))) == {200}
    other = create_engine(bare_url, poolclass=NullPool)
    with other.connect() as connection:
        assert len(connection.exec_driver_sql(OTHERS[kind]).all()) <= MOST_CONNECTIONS


@pytest.mark.parametrize("kind", ["sqlite"])
def test_counts_once(bare_url: str, payload: Payload) -> None:
    """An event that reaches two receivers on one database counts once, for the first."""
    app = make_app(bare_url, "one", "other")
    assert_result(client_of(app).post("/one/whatsapp", json=payload()), "accepted")
    assert_result(client_of(app).post("/other/whatsapp", json=payload()), "duplicate")
    with app.app_context():
        assert [event.receiver for event in current_ledger.events()] == ["one"]
    ledger_of(app, "one").engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_not_shared(bare_url: str) -> None:
    """Neither applications share a ledger, nor receivers one in memory."""
    one, other = make_app(bare_url, "one"), make_app(bare_url, "one")
    assert ledger_of(one, "one") is not ledger_of(other, "one")
    app = make_app("memory://", "one", "other")
    assert ledger_of(app, "one") is not ledger_of(app, "other")


@pytest.fixture(params=["sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of database."""
    return str(request.param)
