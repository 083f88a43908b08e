from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from ..conftest import MakeApp


@pytest.fixture
def whatsapp(app: Flask) -> WhatsAppClient:
    return WhatsAppClient(app)


@pytest.fixture
def events() -> EventBuilder:
    return EventBuilder()


@pytest.fixture
def make_durable(make_app: MakeApp, tmp_path: Path) -> MakeApp:
    """As ``make_app``, with the ledger in a database."""

    def make(**settings: object) -> Flask:
        app = make_app(LEDGER_URL=f"sqlite:///{tmp_path / 'events.db'}", **settings)
        app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.upgrade()
        return app

    return make
