"""A host application that has used its database before its server forks.

``HOST_URL`` is the database, ``HOST_ENGINE`` whose engine the ledger uses: ``host`` for the
application's, which is given in a callable, ``own`` for one of ``FD_WHATSAPP_LEDGER_URL``.  A
handler writes through ``current_ledger.transaction`` and fails at first for every other message.
"""

from __future__ import annotations

import os

from flask import Flask
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, select

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_name,
    status_received,
)
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import TOKEN

metadata = MetaData()
effect = Table(
    "host_effect",  # without a key: what is written twice is there twice
    metadata,
    Column("message_id", String(64)),
    Column("process", Integer),
)


def create_app() -> Flask:
    """The application; its handlers are connected for the life of the process."""
    url, is_hosts = os.environ["HOST_URL"], os.environ["HOST_ENGINE"] == "host"
    app = Flask(__name__)
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    engine = create_engine(url)
    if is_hosts:
        use(engine)
        app.register_blueprint(FreshdeskWhatsApp(ledger=lambda app: SQLLedger(engine)))
    else:
        app.config["FD_WHATSAPP_LEDGER_URL"] = url
        app.register_blueprint(FreshdeskWhatsApp())
        ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledger.message("M1")
        use(ledger.engine)
    failed: set[str] = set()

    @status_received.connect_via(app)
    @handler_name("effect")
    def write(app: Flask, event: StatusEvent) -> None:
        values = {"message_id": event.message_id, "process": os.getpid()}
        current_ledger.transaction.execute(effect.insert().values(values))
        if event.message_id.endswith("1") and event.message_id not in failed:
            failed.add(event.message_id)
            raise ValueError("not at first")

    connected.append(write)
    return app


connected: list[object] = []


def use(engine: Engine) -> None:
    """Leave connections in the pool."""
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            connection.execute(select(effect.c.process)).all()
