"""The application under test: it writes a row for each event, in the ledger's transaction."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import Column, MetaData, String, Table, insert

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, current_ledger, status_received

from .queue_app import make_celery
from .requests import TOKEN
from .services import CeleryConfig

LEASE_SECONDS = 5
SWEEP_SECONDS = 5

handled = Table(
    "soak_handled", MetaData(), Column("message_id", String(32)), Column("status", String(32))
)
"""Without a unique key: what is handled twice is there twice."""


def create_app(url: str, config: CeleryConfig) -> Flask:
    """The application, for receivers, workers and beat alike.

    :param url: of the ledger.
    """
    app = Flask("soak")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_LEDGER_URL"] = url
    app.config["FD_WHATSAPP_LEASE_SECONDS"] = LEASE_SECONDS
    app.config["FD_WHATSAPP_DISPATCH"] = "celery"
    app.extensions["celery"] = make_celery(app, {**config, "beat_schedule": {"sweep": _SWEEP}})
    app.register_blueprint(FreshdeskWhatsApp())

    @status_received.connect_via(app)
    def note(app: Flask, event: StatusEvent) -> None:
        row = {"message_id": event.message_id, "status": str(event.status)}
        current_ledger.transaction.execute(insert(handled).values(row))

    return app


_SWEEP = {
    "task": "flask_fd_whatsapp.sweep",
    "schedule": SWEEP_SECONDS,
    "options": {"expires": SWEEP_SECONDS},
}
