from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_name,
    message_sent,
)
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ...answers import client_of
from ...conftest import URL, MakeApp, Payload
from .rows import Base, Deliver, Handler, Row


@pytest.fixture(autouse=True)
def table(engine: Engine) -> Iterator[None]:
    """The host's table, empty."""
    Base.metadata.create_all(engine)
    yield
    engine.dispose()  # a transaction that was left open would keep the table
    Base.metadata.drop_all(engine)


@pytest.fixture
def app(make_app: MakeApp, sql_ledger: SQLLedger) -> Flask:
    return make_app(FreshdeskWhatsApp(ledger=sql_ledger))


@pytest.fixture
def deliver(app: Flask, payload: Payload) -> Deliver:
    return lambda: client_of(app).post(URL, json=payload("sent"))


@pytest.fixture
def rows(engine: Engine) -> Callable[[], list[str]]:
    """The notes in the host's table, as another connection sees them."""

    def rows() -> list[str]:
        with engine.connect() as connection:
            return list(connection.scalars(select(Row.note).order_by(Row.note)))

    return rows


@pytest.fixture
def connect(app: Flask) -> Callable[..., None]:
    """Connect handlers, called in this order with the ledger's transaction."""

    def connect(*handlers: Handler) -> None:
        for place, work in enumerate(handlers):

            def handler(app: Flask, event: StatusEvent, work: Handler = work) -> None:
                work(current_ledger.transaction)

            named = handler_name(f"handler {place}")(handler)
            message_sent.connect(named, sender=app, weak=False)

    return connect
