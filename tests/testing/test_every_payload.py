from __future__ import annotations

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent, message_failed, status_received
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient, assert_handles_every_payload

from ..conftest import MakeApp


def test_careful_handlers_take_every_payload(whatsapp: WhatsAppClient) -> None:
    """Handlers that rely on what an event always has pass; they see every kind of detail."""
    seen: list[StatusEvent] = []

    @status_received.connect_via(whatsapp.app)
    def note(app: Flask, event: StatusEvent) -> None:
        seen.append(event)

    assert_handles_every_payload(whatsapp)
    assert len(seen) > 250
    assert {event.status for event in seen} >= {"QUEUED", "SENT", "DELIVERED", "READ", "FAILED"}
    assert any(event.rank is None for event in seen)
    for name in ("actor", "event_time", "external_reference_id", "version", "error"):
        kinds = {getattr(event, name) is None for event in seen}
        assert kinds == {True, False}, name


def test_careless_handler_is_caught(whatsapp: WhatsAppClient) -> None:
    """A handler that relies on an error's text fails, with the payload."""

    @message_failed.connect_via(whatsapp.app)
    def careless(app: Flask, event: StatusEvent) -> None:
        assert event.error is not None
        assert event.error.message is not None

    with pytest.raises(AssertionError, match="careless raised") as caught:
        assert_handles_every_payload(whatsapp)
    assert any("data.error" in note for note in caught.value.__notes__)


def test_schema_that_refuses_is_caught(make_app: MakeApp) -> None:
    """A receiver that rejects documented payloads is reported with its answer."""
    client = WhatsAppClient(make_app(ACCOUNT_IDS=["7"]))
    with pytest.raises(AssertionError, match="403"):
        assert_handles_every_payload(client)


def test_message_is_the_hosts_own(whatsapp: WhatsAppClient) -> None:
    """Each payload is about a message that the host has created."""
    made: list[str] = []
    seen: set[str] = set()

    def new_message() -> EventBuilder:
        message = EventBuilder()
        made.append(message.message_id)
        return message

    @status_received.connect_via(whatsapp.app)
    def note(app: Flask, event: StatusEvent) -> None:
        seen.add(event.message_id)

    assert_handles_every_payload(whatsapp, new_message=new_message)
    assert seen == set(made)
