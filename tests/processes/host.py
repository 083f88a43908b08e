"""A host application whose handlers leave traces: rows in its tables, lines in a file.

The environment sets it up: ``FLASK_FD_WHATSAPP_...`` as ever, ``HOST_FOLDER`` for its files,
``HOST_LEDGER=broken`` for a ledger that commits a handler's writes apart from its success.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Column, Integer, MetaData, String, Table

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_name,
    message_queued,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.ledger import Recorded
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.fenced_claim import SQLClaim

from ..conftest import TOKEN
from .waiting import wait_until

metadata = MetaData()

received = Table(
    "host_received",  # without a key: what is written twice is there twice
    metadata,
    Column("message_id", String(64)),
    Column("status", String(16)),
)
slow = Table(
    "host_slow",
    metadata,
    Column("message_id", String(64)),
    Column("status", String(16)),
)
changed = Table(
    "host_changed",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("message_id", String(64)),
    Column("status", String(16)),
)

WRITES_EARLY, WRITES_LATE = "early", "late"
"""How ids of messages begin whose first handler outlives its lease: when it writes."""

YIELDS = "yields"
"""How ids of messages begin whose first handler sleeps in its transaction."""

YIELD_SECONDS = 0.05

APART_SECONDS = 0.005
"""What lies between the two commits of the broken ledger, as on a slow disk."""


class BrokenClaim(SQLClaim):
    """Commits the handler's writes first, and its success separately."""

    def _write(self, write: Any, *, is_step: bool = True) -> Any:
        if self.transaction.end():
            self._next_transaction().commit(lambda cursor: None)
            time.sleep(APART_SECONDS)
        return super()._write(write, is_step=is_step)


class BrokenLedger(SQLLedger):
    def record(self, *arguments: Any, **options: Any) -> Recorded:
        return broken_claim_of(super().record(*arguments, **options))

    def claim(self, *arguments: Any, **options: Any) -> Recorded | None:
        found = super().claim(*arguments, **options)
        return found and broken_claim_of(found)


def broken_claim_of(recorded: Recorded) -> Recorded:
    if isinstance(recorded.claim, SQLClaim):
        recorded.claim.__class__ = BrokenClaim
    return recorded


def create_app() -> Flask:
    """The application; its handlers are connected for the life of the process."""
    app = Flask(__name__)
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config.from_prefixed_env()
    folder = Path(os.environ["HOST_FOLDER"])

    def broken(app: Flask) -> SQLLedger:
        return BrokenLedger.from_url(app.config["FD_WHATSAPP_LEDGER_URL"], app)

    is_broken = os.environ.get("HOST_LEDGER") == "broken"
    app.register_blueprint(FreshdeskWhatsApp(ledger=broken if is_broken else None))
    connect_handlers(app, folder)
    return app


def connect_handlers(app: Flask, folder: Path) -> None:
    @status_received.connect_via(app)
    @handler_name("received")
    def insert_received(app: Flask, event: StatusEvent) -> None:
        insert(received, event)

    @status_changed.connect_via(app)
    @handler_name("changed")
    def insert_changed(app: Flask, event: StatusEvent) -> None:
        insert(changed, event)

    @status_received.connect_via(app)
    @handler_name("line")
    def append_line(app: Flask, event: StatusEvent) -> None:
        with (folder / "lines").open("a") as lines:
            lines.write(f"{event.message_id} {event.status}\n")

    @message_queued.connect_via(app)
    @handler_name("slow")
    def outlive_the_lease(app: Flask, event: StatusEvent) -> None:
        """For messages that ask for it, the first call waits until released, or yields."""
        writes = event.message_id.partition("-")[0]
        if writes == YIELDS:
            insert(slow, event)
            time.sleep(YIELD_SECONDS)
        if writes not in (WRITES_EARLY, WRITES_LATE):
            return
        if writes == WRITES_EARLY:
            insert(slow, event)
        if not (folder / "entered").exists():
            (folder / "entered").write_text(str(os.getpid()))
            wait_until((folder / "let-go").exists, "the late handler is let go")
        if writes == WRITES_LATE:
            insert(slow, event)


def insert(table: Table, event: StatusEvent) -> None:
    values = {"message_id": event.message_id, "status": str(event.status)}
    current_ledger.transaction.execute(table.insert().values(values))
