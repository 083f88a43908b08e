"""Processes of a host that send and reconcile, configured by ``FD_WHATSAPP_...`` settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from threading import Event, Thread
from typing import Any

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, status_received
from flask_fd_whatsapp.commands import hanging
from flask_fd_whatsapp.freshdesk import FreshdeskAPIError, current_client, pace, reconcile

from .catching_up import ALWAYS, TEMPLATE, TO


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """The host, set up by the environment's ``FLASK_...`` variables or *settings*."""
    app = Flask("host")
    app.config.from_prefixed_env()
    app.config.from_mapping(settings or {})
    app.register_blueprint(FreshdeskWhatsApp())
    return app


def create_hanging_app() -> Flask:
    """The same host with a handler that never returns, and that gets no 20 s to do so."""
    hanging.STOP_SECONDS = 0.3  # type: ignore[misc]
    app = create_app()

    @status_received.connect_via(app)
    def hang(*_: Any, **__: Any) -> None:
        Event().wait()

    app.extensions["hang"] = hang
    return app


def send_and_reconcile(settings: Mapping[str, Any], seconds_a_minute: float) -> None:
    """Send in a thread, each message with a reference of its own, and reconcile, until killed."""
    pace.MINUTE = seconds_a_minute  # type: ignore[misc]
    app = create_app(settings)
    Thread(target=_send, args=[app], daemon=True).start()
    with app.app_context():
        while True:
            reconcile(stuck_for=ALWAYS)


def _send(app: Flask) -> None:
    with app.app_context():
        for number in count():
            with suppress(FreshdeskAPIError):
                reference = f"{os.getpid()}-{number}"
                current_client.send(to=TO, template=TEMPLATE, external_reference_id=reference)
