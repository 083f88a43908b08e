from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.exceptions import GiveUp
from flask_fd_whatsapp.ledger import Ledger, MemoryLedger
from flask_fd_whatsapp.ledger.send_records import SendFilter, SendIntent, SendState
from flask_fd_whatsapp.ledger.sql import SQLLedger, metadata
from flask_fd_whatsapp.receiving.write_behind import finish_writes
from flask_fd_whatsapp.signals import message_read
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient
from flask_fd_whatsapp.testing.builder import ACCOUNT_ID

from ..concurrency.threads import TIMEOUT
from ..ledger.databases import KINDS, fresh_database
from .conftest import PAGES, fill, let_in
from .test_guarding import urls

READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


@pytest.fixture(params=["memory", *KINDS])
def ledger(
    request: pytest.FixtureRequest, tmp_path: Path, empty_ledger_file: Path
) -> Iterator[Ledger]:
    """An empty ledger of each kind."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    with fresh_database(request.param, tmp_path) as url:
        if request.param == "sqlite":
            shutil.copy(empty_ledger_file, url.removeprefix("sqlite:///"))
        made = SQLLedger.from_url(url, Flask("host"))
        made.upgrade()
        yield made
        made.engine.dispose()


def application(ledger: Ledger) -> Flask:
    """One with something in each part of the ledger, and an unknown send that can be settled."""
    app = Flask("host")
    app.config.update(
        FD_WHATSAPP_HEADERS={"Authorization": ["Bearer s3cret", "Bearer n3w"]},
        FD_WHATSAPP_CAMPAIGN=r"^([a-z]+)-\d+$",
    )
    app.register_blueprint(FreshdeskWhatsApp(ledger=ledger))
    app.register_blueprint(Dashboard(guard=let_in, show_payloads=True, show_actors=True))

    def gives_up(sender: Flask, event: object) -> None:
        raise GiveUp("never")

    with message_read.connected_to(gives_up, sender=app):
        fill(app)
    intent = SendIntent(
        receiver="fd_whatsapp", account_id=ACCOUNT_ID, external_reference_id="spring-9"
    )
    send = ledger.send_record.intend(intent)
    ledger.send_record.failed(send, SendState.UNKNOWN, "no answer")
    client = WhatsAppClient(app)
    client.post(EventBuilder(external_reference_id="spring-9").event("SENT"))
    client.post("{}")
    client.post("{}", headers={"Authorization": "Bearer wrong"})
    finish_writes(TIMEOUT)
    return app


def views(app: Flask, ledger: Ledger) -> list[str]:
    """Every URL of the pages, and those that show one thing."""
    (message,) = ledger.messages(external_reference_id="spring-1")
    return [
        *urls(app),
        f"{PAGES}/message?id={message.message_id}",
        f"{PAGES}/campaign?campaign=spring",
        f"{PAGES}/campaigns?a=spring&b=winter&age=7d",
        f"{PAGES}/operations?entry=1",
        f"{PAGES}/messages?failure=recipient&stuck_for=1h&since=30d",
    ]


def everything(ledger: Ledger) -> Any:
    """All that a ledger holds."""
    if isinstance(ledger, SQLLedger):
        with ledger.engine.connect() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(table.select())))
                for table in metadata.sorted_tables
            }
    return (
        ledger.messages(message_ids=[one.message_id for one in ledger.events(limit=100)]),
        ledger.events(limit=100),
        ledger.send_record.listed(SendFilter()),
        ledger.quarantined(),
        ledger.rejections.last(),
        ledger.token_uses.last(),
    )


def test_looking_changes_nothing(ledger: Ledger) -> None:
    """Looking at pages changes nothing in the ledger: no send is settled by it."""
    app = application(ledger)
    before = everything(ledger)
    for url in views(app, ledger):
        assert app.test_client().get(url, buffered=True).status_code in (200, 404), url
        assert everything(ledger) == before, url
    assert [one.state for one in ledger.sends()] == [SendState.SENT]  # now it was requested


@pytest.mark.parametrize("ledger", KINDS, indirect=True)
def test_pages_of_a_database_that_takes_no_writes_are_whole(ledger: SQLLedger) -> None:
    """Every page works on a read-only ledger, and the first one says so."""
    app = application(ledger)
    _make_read_only(ledger.engine)
    for url in views(app, ledger):
        assert app.test_client().get(url, buffered=True).status_code in (200, 404), url
    assert "Not writable" in app.test_client().get(f"{PAGES}/").text


def _make_read_only(engine: Engine) -> None:
    """From now on, new connections can only read."""
    statement = READ_ONLY[engine.dialect.name.replace("mysql", "mariadb")]

    @event.listens_for(engine, "connect")
    def forbid(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()

    engine.dispose()
