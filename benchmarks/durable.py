"""The durable variants: this package on SQLite, and the same two transactions by hand."""

from __future__ import annotations

import hmac
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from blinker import Signal
from flask import Flask, request
from flask.typing import ResponseReturnValue

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_changed
from flask_fd_whatsapp.ledger.sql import SQLLedger

from .requests import TOKEN, URL

_RANKS = {"QUEUED": 0, "SENT": 1, "FAILED": 2, "DELIVERED": 3, "READ": 4}

_UPSERT = """
INSERT INTO fd_whatsapp_message
  (account_id, message_id, external_reference_id, status, status_rank, {column},
   first_seen, last_seen, claim_token, claim_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id, message_id) DO UPDATE SET
  previous_status = status,
  status = CASE WHEN excluded.status_rank > status_rank THEN excluded.status ELSE status END,
  status_rank = max(status_rank, excluded.status_rank),
  {column} = coalesce({column}, excluded.{column}),
  last_seen = excluded.last_seen,
  claim_token = excluded.claim_token,
  claim_until = excluded.claim_until
RETURNING id, previous_status
"""
_UPSERTS = {status: _UPSERT.format(column=f"{status.lower()}_at") for status in _RANKS}

_INSERT = """
INSERT INTO fd_whatsapp_event
  (message_key, status, timestamp, received_at, receiver, payload, headers, previous_status,
   is_stale, attempts, due_at)
VALUES (?, ?, ?, ?, 'floor', ?, '{}', ?, 0, 1, ?) RETURNING id
"""


def sqlite(directory: Path) -> Flask:
    """This package with a ledger on SQLite (WAL, FULL) and one handler on ``status_changed``."""
    return durable(f"sqlite:///{directory}/sqlite.db")


def durable(url: str) -> Flask:
    """This package with the ledger at *url* and one handler on ``status_changed``."""
    app = Flask("durable")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_LEDGER_URL"] = url
    app.register_blueprint(FreshdeskWhatsApp())

    @status_changed.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        pass

    return app


def floor(directory: Path) -> Flask:
    """The same two transactions on the same tables, by hand and unchecked."""
    app = Flask("floor", instance_path=str(directory))
    changed = Signal()
    SQLLedger.from_url("sqlite:///floor.db", app).upgrade()
    database = sqlite3.connect(directory / "floor.db", isolation_level=None)
    for pragma in ("journal_mode = WAL", "foreign_keys = ON"):
        database.execute(f"PRAGMA {pragma}")

    @changed.connect_via(app)
    def handler(app: Flask, event: dict[str, Any]) -> None:
        pass

    @app.post(URL)
    def receive() -> ResponseReturnValue:
        if not hmac.compare_digest(request.headers.get("Authorization", ""), TOKEN):
            return {"error": "unauthenticated"}, 401
        event = request.get_json()
        data, now, token = event["data"], datetime.now(UTC).isoformat(" "), token_hex(16)
        status = data["status"]
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN IMMEDIATE")
        key, previous = database.execute(
            _UPSERTS[status],
            (
                event["account_id"],
                data["message_id"],
                data.get("external_reference_id"),
                status,
                _RANKS[status],
                data["timestamp"],
                now,
                now,
                token,
                now,
            ),
        ).fetchone()
        (event_id,) = database.execute(
            _INSERT, (key, status, data["timestamp"], now, request.data.decode(), previous, now)
        ).fetchone()
        database.execute("COMMIT")
        changed.send(app, event=event)
        # A power cut may undo it, and the handler is called again.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN IMMEDIATE")
        database.execute(
            "UPDATE fd_whatsapp_message SET claim_token = NULL, claim_until = NULL"
            " WHERE id = ? AND claim_token = ?",
            (key, token),
        )
        database.execute(
            "INSERT INTO fd_whatsapp_handling (event_id, handler, is_superseded, handled_at)"
            " VALUES (?, 'handler', 0, ?)",
            (event_id, now),
        )
        database.execute("UPDATE fd_whatsapp_event SET due_at = NULL WHERE id = ?", (event_id,))
        database.execute("COMMIT")
        return {"result": "accepted"}

    return app
