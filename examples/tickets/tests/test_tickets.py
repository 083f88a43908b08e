"""Tickets follow their messages, whatever comes twice, late or in another order."""

from __future__ import annotations

from flask_fd_whatsapp.testing import (
    EventBuilder,
    SentSignal,
    WhatsAppClient,
    assert_same_in_every_order,
    assert_same_under_duplicates,
)

from .conftest import NewMessage, ReadTicket


def test_read(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, read_ticket: ReadTicket
) -> None:
    """A ticket follows its message until it is read."""
    seen = []
    for payload in fd_whatsapp_events.journey():
        fd_whatsapp_client.play([payload])
        seen.append(read_ticket(fd_whatsapp_events)["status"])
    assert seen == ["QUEUED", "SENT", "DELIVERED", "READ"]


def test_failure(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, read_ticket: ReadTicket
) -> None:
    """A failure opens the ticket with its reason, even if it is the only event and has no
    reference.
    """
    failed = fd_whatsapp_events.failed(code="131026", message="Message undeliverable")
    fd_whatsapp_client.play([failed])
    assert read_ticket(fd_whatsapp_events) == {
        "status": "FAILED",
        "is_open": True,
        "notes": ["sent -> FAILED (Message undeliverable)"],
    }


def test_failed_on_one_device(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, read_ticket: ReadTicket
) -> None:
    """A message that arrives nevertheless closes its ticket again."""
    fd_whatsapp_client.play(fd_whatsapp_events.journey("SENT", "FAILED"))
    assert read_ticket(fd_whatsapp_events)["is_open"]
    fd_whatsapp_client.play([fd_whatsapp_events.delivered()])
    assert not read_ticket(fd_whatsapp_events)["is_open"]


def test_late_failure(
    fd_whatsapp_client: WhatsAppClient,
    fd_whatsapp_events: EventBuilder,
    fd_whatsapp_signals: list[SentSignal],
    read_ticket: ReadTicket,
) -> None:
    """A failure after the message was read is noted, and changes nothing else."""
    fd_whatsapp_client.play(fd_whatsapp_events.journey("SENT", "READ"))
    before = read_ticket(fd_whatsapp_events)
    fd_whatsapp_client.play([fd_whatsapp_events.failed()])
    note = "FAILED (FAILED), but it stays READ"
    assert read_ticket(fd_whatsapp_events) == before | {"notes": [*before["notes"], note]}
    names = [signal.name for signal in fd_whatsapp_signals[-2:]]
    assert names == ["message_failed", "status_received"]
    assert fd_whatsapp_signals[-1].event.is_stale


def test_wrong_token(
    fd_whatsapp_client: WhatsAppClient, fd_whatsapp_events: EventBuilder, read_ticket: ReadTicket
) -> None:
    """What is not from Freshdesk changes nothing."""
    headers = {"Authorization": "Bearer guessed"}
    answer = fd_whatsapp_client.post(fd_whatsapp_events.read(), headers=headers)
    assert answer.status_code == 401
    assert read_ticket(fd_whatsapp_events) == {"status": None, "is_open": False, "notes": []}


def test_every_order(
    fd_whatsapp_client: WhatsAppClient, new_message: NewMessage, read_ticket: ReadTicket
) -> None:
    """A message leaves its ticket in the same state for every order of its events.

    All but the notes, which say in what order they arrived.
    """
    assert_same_in_every_order(
        fd_whatsapp_client,
        lambda message: read_ticket(message) | {"notes": None},
        new_message=new_message,
    )


def test_duplicates(
    fd_whatsapp_client: WhatsAppClient, new_message: NewMessage, read_ticket: ReadTicket
) -> None:
    """A handler called twice leaves the ticket, and its notes, as if it had been called once."""
    assert_same_under_duplicates(fd_whatsapp_client, read_ticket, new_message=new_message)
