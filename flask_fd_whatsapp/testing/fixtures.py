"""The fixtures; they use the test suite's own ``app``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from .builder import EventBuilder
from .client import WhatsAppClient
from .recorder import SentSignal, recorded


@pytest.fixture
def fd_whatsapp_client(app: Flask) -> WhatsAppClient:
    """Posts events to the application under test; ``to(name)`` chooses among receivers."""
    return WhatsAppClient(app)


@pytest.fixture
def fd_whatsapp_events() -> EventBuilder:
    """Builds the events of a new message; ``another()`` returns a builder for the next one."""
    return EventBuilder()


@pytest.fixture
def fd_whatsapp_signals(app: Flask) -> Iterator[list[SentSignal]]:
    """The signals sent for the application under test, in order, since the fixture's start."""
    with recorded(app) as seen:
        yield seen
