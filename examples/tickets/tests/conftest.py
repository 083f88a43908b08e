"""What a suite needs: the plugin, a fixture ``app``, and messages that have a ticket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp.freshdesk import Sent
from flask_fd_whatsapp.testing import EventBuilder

from .. import create_app, sending
from ..models import db

pytest_plugins = ["flask_fd_whatsapp.testing"]

NewMessage = Callable[[], EventBuilder]
ReadTicket = Callable[[EventBuilder], dict[str, Any]]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The application under test, on an empty database; the plugin's fixtures use it."""
    app = create_app(
        {
            "TESTING": True,
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'tickets.db'}",
            "FD_WHATSAPP_HEADERS": {"Authorization": "Bearer for-tests"},
        }
    )
    yield app
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    with app.app_context():
        db.engine.dispose()


class Client:
    """Replaces ``current_client``: sends nothing, and returns the ids that the test wants."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def send(self, *, external_reference_id: str, **_: object) -> Sent:
        """As if Freshdesk had taken it."""
        return Sent(self.ids[external_reference_id], external_reference_id)


@pytest.fixture
def new_message(app: Flask, monkeypatch: pytest.MonkeyPatch) -> NewMessage:
    """Makes messages that were sent just now, each with its ticket."""
    client = Client()
    monkeypatch.setattr(sending, "current_client", client)

    def send() -> EventBuilder:
        message = EventBuilder()
        client.ids[message.external_reference_id] = message.message_id
        url = f"/tickets/{message.external_reference_id}"
        assert app.test_client().put(url, data={"to": "+4930123456"}).status_code == 201
        return message

    return send


@pytest.fixture
def read_ticket(app: Flask) -> ReadTicket:
    """Reads the ticket of a message on the host's own page."""

    def read(message: EventBuilder) -> dict[str, Any]:
        url = f"/tickets/{message.external_reference_id}"
        ticket: dict[str, Any] = app.test_client().get(url).get_json()
        return ticket

    return read


@pytest.fixture
def fd_whatsapp_events(new_message: NewMessage) -> EventBuilder:
    """In place of the plugin's: here a message has a ticket."""
    return new_message()
