"""A host application for gunicorn, whose handler writes once for each event."""

from __future__ import annotations

import os

from flask import Flask
from sqlalchemy import Column, MetaData, String, Table, insert

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, current_ledger, status_received

handled = Table(
    "handled", MetaData(), Column("message_id", String(32)), Column("status", String(32))
)


def create_app(url: str) -> Flask:
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
    app.config["FD_WHATSAPP_LEDGER_URL"] = url
    app.config["FD_WHATSAPP_LEASE_SECONDS"] = 2
    app.register_blueprint(FreshdeskWhatsApp())

    @status_received.connect_via(app)
    def note(app: Flask, event: StatusEvent) -> None:
        values = {"message_id": event.message_id, "status": str(event.status)}
        current_ledger.transaction.execute(insert(handled).values(values))

    return app


if "HOST_LEDGER_URL" in os.environ:
    app = create_app(os.environ["HOST_LEDGER_URL"])
