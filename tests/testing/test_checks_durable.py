from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flask_fd_whatsapp import StatusEvent, current_ledger, message_read
from flask_fd_whatsapp.testing import (
    EventBuilder,
    WhatsAppClient,
    assert_same_in_every_order,
    assert_same_under_duplicates,
)

from ..conftest import MakeApp
from . import handlers
from .handlers import Tickets


@pytest.fixture
def make_scores(make_durable: MakeApp, tmp_path: Path) -> Callable[..., tuple[Flask, Any]]:
    """An application that counts in its ledger's database, and reads the sum."""

    def make(**settings: Any) -> tuple[Flask, Any]:
        app = make_durable(**settings)
        engine = create_engine(f"sqlite:///{tmp_path / 'events.db'}")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE scores (message_id TEXT)"))
        engine.dispose()

        @message_read.connect_via(app)
        def score(app: Flask, event: StatusEvent) -> None:
            insert = text("INSERT INTO scores VALUES (:message_id)")
            current_ledger.transaction.execute(insert, {"message_id": event.message_id})

        def read(message: EventBuilder) -> list[int]:
            engine = create_engine(f"sqlite:///{tmp_path / 'events.db'}")
            with engine.connect() as connection:
                count = text("SELECT count(*) FROM scores WHERE message_id = :message_id")
                found = connection.scalar(count, {"message_id": message.message_id})
            engine.dispose()
            return [found or 0]

        return app, read

    return make


@pytest.mark.parametrize("dispatch", ["inline", "deferred"])
def test_adding_up_in_the_transaction_passes(
    make_scores: Callable[..., tuple[Flask, Any]], dispatch: str
) -> None:
    """A handler that counts through ``current_ledger.transaction`` passes: it is rolled back."""
    app, read = make_scores(DISPATCH=dispatch)
    whatsapp, events = WhatsAppClient(app), EventBuilder()
    assert_same_under_duplicates(whatsapp, read, journeys=[["SENT", "READ"]])
    assert_same_in_every_order(whatsapp, read, journeys=[["SENT", "READ"]])
    whatsapp.play(events.journey())
    assert read(events) == [1]


@pytest.mark.parametrize("dispatch", ["inline", "deferred"])
def test_adding_up_elsewhere_is_caught(make_durable: MakeApp, dispatch: str) -> None:
    """A handler that counts elsewhere is caught on a durable ledger too, with any dispatch."""
    app, tickets = make_durable(DISPATCH=dispatch), Tickets()
    handlers.counts(app, tickets)
    with pytest.raises(AssertionError, match="called twice"):
        assert_same_under_duplicates(
            WhatsAppClient(app), lambda m: tickets[m.message_id], journeys=[["SENT", "READ"]]
        )
