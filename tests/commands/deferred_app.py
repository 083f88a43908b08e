"""A host application whose events are dispatched by another process.

Its ledger is on an engine of the host's, so that nothing creates it but ``upgrade``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import create_engine

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_name,
    status_received,
)
from flask_fd_whatsapp.ledger.sql import SQLLedger

WAIT_SECONDS = 30.0


def create_app(folder: str | None = None) -> Flask:
    """The application that keeps everything in *folder*."""
    here = Path(folder or os.environ["DEFERRED_APP_FOLDER"])
    app = Flask("deferred")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
    app.config["FD_WHATSAPP_DISPATCH"] = "deferred"
    app.config.from_prefixed_env()
    engine = create_engine(f"sqlite:///{here / 'ledger.db'}", connect_args={"timeout": 20})
    app.register_blueprint(FreshdeskWhatsApp(ledger=SQLLedger(engine)))

    @status_received.connect_via(app)
    @handler_name("note")
    def note(app: Flask, event: StatusEvent) -> None:
        """Note that the event was handled; one called ``wait`` waits until it may continue.

        One called ``write`` writes, and does so in the middle of that.
        """
        with (here / "noted").open("a") as noted:
            noted.write(f"{event.message_id}\n")
        if event.message_id == "wait":
            wait_for((here / "go").exists)
        if event.message_id == "write":
            connection = current_ledger.transaction
            driver: Any = connection.connection.driver_connection
            driver.create_function("pause", 0, lambda: wait_for((here / "go").exists))
            connection.exec_driver_sql("CREATE TABLE written AS SELECT pause() AS paused")

    return app


def wait_for(is_there: Callable[[], object]) -> None:
    """Ask until it is so.

    :raises TimeoutError: if it is not in time.
    """
    end = time.monotonic() + WAIT_SECONDS
    while not is_there():
        if time.monotonic() > end:
            raise TimeoutError(f"Waited {WAIT_SECONDS} seconds in vain.")
        time.sleep(0.02)
