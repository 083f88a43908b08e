from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

PAGES = "/freshdesk/whatsapp/dashboard"

MakePages = Callable[..., Flask]


def let_in() -> bool:
    return True


@pytest.fixture
def make_pages(tmp_path: Any) -> MakePages:
    """A factory of applications with a receiver and its pages; keywords are the pages' own."""

    def make(settings: dict[str, Any] | None = None, **options: Any) -> Flask:
        app = Flask("host", instance_path=str(tmp_path / "instance"))
        app.testing = True
        app.config.update(
            SECRET_KEY="secret",
            FD_WHATSAPP_HEADERS={"Authorization": "Bearer s3cret"},
            FD_WHATSAPP_CAMPAIGN=r"^([a-z]+)-\d+$",
        )
        app.config.update(settings or {})
        app.register_blueprint(FreshdeskWhatsApp())
        app.register_blueprint(Dashboard(**{"guard": let_in, **options}))
        return app

    return make


@pytest.fixture
def pages(make_pages: MakePages) -> FlaskClient:
    """A client of pages that are open to everybody."""
    return make_pages().test_client()


def fill(app: Flask, name: str | None = None) -> EventBuilder:
    """Post a few messages of the last days in two campaigns, some of which failed.

    :return: that of the message ``spring-1``, which was read.
    """
    client = WhatsAppClient(app, name)
    start = datetime.now(UTC) - timedelta(days=3)
    first = EventBuilder(external_reference_id="spring-1", start=start)
    for status in ("QUEUED", "SENT", "DELIVERED", "READ"):
        client.post(first.event(status))
    for number in range(2, 6):
        other = EventBuilder(
            external_reference_id=f"winter-{number}", start=start + timedelta(hours=number)
        )
        for status in ("QUEUED", "SENT", "DELIVERED")[: 1 + number % 3]:
            client.post(other.event(status))
    failed = EventBuilder(external_reference_id="spring-6", start=start + timedelta(days=1))
    error = {"code": "131026", "message": "Message undeliverable"}
    client.post(failed.event("QUEUED"))
    client.post(failed.event("FAILED", error=error))
    return first
