"""Tickets follow their messages, whatever comes twice, late or in another order."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_fd_whatsapp.testing import (
    EventBuilder,
    SentSignal,
    WhatsAppClient,
    assert_same_in_every_order,
    assert_same_under_duplicates,
)

from .tickets import Ticket, tickets_of


def test_read(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, ticket: Ticket
) -> None:
    """A ticket follows its message until that is read."""
    seen = []
    for payload in fd_whatsapp_events.journey():
        fd_whatsapp_client.play([payload])
        seen.append(ticket.status)
    assert seen == ["QUEUED", "SENT", "DELIVERED", "READ"]


@pytest.mark.parametrize("code", ["131026", "INVALID"])
def test_failure(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, ticket: Ticket, code: str
) -> None:
    """A failure opens the ticket again, and says why."""
    fd_whatsapp_client.play([fd_whatsapp_events.sent(), fd_whatsapp_events.failed(code=code)])
    assert ticket == Ticket("FAILED", reopened_because=code)


def test_late_failure(
    fd_whatsapp_client: WhatsAppClient,
    fd_whatsapp_events: EventBuilder,
    fd_whatsapp_signals: list[SentSignal],
    ticket: Ticket,
) -> None:
    """A failure on a second device, after the message was read, changes nothing."""
    fd_whatsapp_client.play(fd_whatsapp_events.journey("SENT", "READ", "FAILED"))
    assert ticket == Ticket("READ")
    assert [signal.name for signal in fd_whatsapp_signals[-2:]] == [
        "message_failed",
        "status_received",
    ]
    assert fd_whatsapp_signals[-1].event.is_stale


def test_wrong_token(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, ticket: Ticket
) -> None:
    """What is not from Freshdesk changes nothing."""
    headers = {"Authorization": "Bearer guessed"}
    answer = fd_whatsapp_client.post(fd_whatsapp_events.read(), headers=headers)
    assert (answer.status_code, ticket) == (401, Ticket())


def test_every_order(app: Flask, fd_whatsapp_client: WhatsAppClient) -> None:
    """In whatever order its events arrive, a message leaves its ticket the same."""
    assert_same_in_every_order(
        fd_whatsapp_client,
        lambda message: tickets_of(app)[message.message_id],
        new_message=lambda: new_message(app),
    )


def test_duplicates(app: Flask, fd_whatsapp_client: WhatsAppClient) -> None:
    """A handler called twice leaves the ticket as if it had been called once."""
    assert_same_under_duplicates(
        fd_whatsapp_client,
        lambda message: tickets_of(app)[message.message_id],
        new_message=lambda: new_message(app),
    )


def new_message(app: Flask) -> EventBuilder:
    """A message that was sent just now, with its ticket."""
    message = EventBuilder()
    tickets_of(app)[message.message_id] = Ticket()
    return message
