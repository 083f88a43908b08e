"""How the host sends: send, store the id, commit, catch up.

Events may arrive before the id is stored, and then find no ticket. None of them is lost: the ledger
records an event before it calls a handler. So either the handler finds the committed ticket, or the
ledger has the status by the time the ticket is committed, and it is read here.
"""

from __future__ import annotations

from sqlalchemy import select, update

from flask_fd_whatsapp import Status, current_ledger
from flask_fd_whatsapp.freshdesk import (
    AlreadySent,
    SendUnknown,
    TemplateMessage,
    current_client,
)

from .models import Note, Ticket, db


def make(reference: str) -> None:
    """Create and commit the ticket, if there is none: nothing is sent with a transaction open."""
    if db.session.scalar(select(Ticket).where(Ticket.reference == reference)) is None:
        db.session.add(Ticket(reference=reference))
    db.session.commit()


def send(reference: str, to: str) -> str | None:
    """Send a ticket's message once, however often this is called.

    :return: its id; ``None`` if it is unknown whether it was sent: if it was, its events find the
        ticket by the reference.
    """
    try:
        message_id: str | None = current_client.send(
            to=to,
            template=TemplateMessage("order_update", "en", body=[reference]),
            external_reference_id=reference,
            once=True,
        ).message_id
    except AlreadySent as error:
        message_id = error.send.message_id
    except SendUnknown:
        return None
    if message_id is not None:
        store(reference, message_id)
    return message_id


def store(reference: str, message_id: str) -> None:
    """Store the message's id in the ticket, and its status so far."""
    ticket = db.session.scalars(select(Ticket).where(Ticket.reference == reference)).one()
    ticket.message_id = message_id
    db.session.commit()  # before reading the ledger, or an event in between would be missed
    catch_up(message_id)


def catch_up(message_id: str) -> None:
    """Store the status that arrived before the committed ticket could be found.

    Only if it has none: a handler that has found it meanwhile has stored a later one.
    """
    message = current_ledger.message(message_id)
    if message is None or message.status is None:
        return
    caught_up = db.session.connection().execute(
        update(Ticket)
        .where(Ticket.message_id == message_id, Ticket.status.is_(None))
        .values(
            status=str(message.status),
            status_at=message.times[message.status].replace(tzinfo=None),
            is_open=message.status == Status.FAILED,
        )
    )
    if caught_up.rowcount:
        ticket = db.session.scalars(select(Ticket).where(Ticket.message_id == message_id)).one()
        reason = f" ({message.error.message})" if message.error else ""
        text = f"{message.status}{reason} before its id was stored"
        ticket.notes.append(Note(text=text))
    db.session.commit()
