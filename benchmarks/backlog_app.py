"""The application whose backlog ``retry --follow`` works off, configured by variables."""

from __future__ import annotations

import os
import time

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_received

from .requests import TOKEN
from .server import LEDGER_URL

HANDLER_MS = "BENCHMARK_HANDLER_MS"
RECEIVER = "fd_whatsapp"


def create_app(url: str | None = None) -> Flask:
    """An application with one handler, which sleeps for this many milliseconds.

    :param url: of the ledger.
    """
    app = Flask("backlog")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_LEDGER_URL"] = url or os.environ[LEDGER_URL]
    app.config["FD_WHATSAPP_DISPATCH"] = "deferred"
    app.register_blueprint(FreshdeskWhatsApp(RECEIVER))
    seconds = int(os.environ.get(HANDLER_MS, "0")) / 1000

    @status_received.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        if seconds:
            time.sleep(seconds)

    return app
