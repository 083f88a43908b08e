from __future__ import annotations

import shutil
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
def make_durable(make_app: MakeApp, tmp_path: Path, empty_ledger_file: Path) -> MakeApp:
    """Like ``make_app``, with the ledger in a database."""

    def make(**settings: object) -> Flask:
        file = tmp_path / "events.db"
        if not file.exists():
            shutil.copy(empty_ledger_file, file)
        return make_app(LEDGER_URL=f"sqlite:///{file}", **settings)

    return make
