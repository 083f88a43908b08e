"""What a suite needs: the plugin, and a fixture ``app``."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_fd_whatsapp.testing import EventBuilder

from .tickets import Ticket, create_app, tickets_of

pytest_plugins = ["flask_fd_whatsapp.testing"]


@pytest.fixture
def app() -> Flask:
    """The application under test: all of the plugin's fixtures use it."""
    app = create_app("for-tests")
    app.testing = True
    return app


@pytest.fixture
def ticket(app: Flask, fd_whatsapp_events: EventBuilder) -> Ticket:
    """The ticket of the message whose events ``fd_whatsapp_events`` builds."""
    return tickets_of(app).setdefault(fd_whatsapp_events.message_id, Ticket())
