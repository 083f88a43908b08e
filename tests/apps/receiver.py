"""A host application for a real server."""

from __future__ import annotations

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, current_ledger, status_received

app = Flask(__name__)
app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
app.config["FD_WHATSAPP_MAX_BODY_BYTES"] = 16384
app.register_blueprint(FreshdeskWhatsApp())

handled: list[str] = []


@status_received.connect_via(app)
def note(app: Flask, event: StatusEvent) -> None:
    handled.append(event.message_id)


@app.get("/messages/<message_id>")
def message(message_id: str) -> ResponseReturnValue:
    """How often its handler was called, and the statuses of a message."""
    found = current_ledger.message(message_id)
    statuses = sorted(found.times) if found else []
    return jsonify(handled=handled.count(message_id), statuses=statuses)
