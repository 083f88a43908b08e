"""What happens to a ticket when its message moves.

Everything is written through ``current_ledger.transaction``: it commits together with the record
that the handler succeeded, so it happens exactly once, despite duplicates and crashes.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from flask_fd_whatsapp import Status, StatusEvent, current_ledger, status_changed, status_received

from .models import Note, Ticket


@contextmanager
def ticket_of(event: StatusEvent) -> Generator[Ticket | None]:
    """Context manager for the ticket that *event* is about; ``None`` if it is not ours.

    It is looked up by message id or reference: a FAILED that arrives first has no reference.
    """
    with Session(bind=current_ledger.transaction) as session:
        is_it = or_(
            Ticket.message_id == event.message_id, Ticket.reference == event.external_reference_id
        )
        yield session.scalar(select(Ticket).where(is_it))
        session.flush()  # no commit: the ledger does that, after the handler


def connect_handlers(app: Flask) -> None:
    """Connect the handlers to *app* alone."""

    @status_changed.connect_via(app)
    def follow(app: Flask, event: StatusEvent) -> None:
        """Update the ticket: the status only ever moves forward, so there is nothing to compare.

        A failure opens the ticket; it is closed again if the message arrives nevertheless, for
        example on another device.
        """
        with ticket_of(event) as ticket:
            if ticket is not None:
                ticket.status = str(event.status)
                ticket.status_at = event.timestamp.replace(tzinfo=None)
                ticket.is_open = event.status == Status.FAILED

    @status_received.connect_via(app)
    def note(app: Flask, event: StatusEvent) -> None:
        """Note every event, including late ones that change nothing."""
        with ticket_of(event) as ticket:
            if ticket is not None:
                ticket.notes.append(Note(text=line_of(event)))


def line_of(event: StatusEvent) -> str:
    """Return an event as a line of a ticket's history."""
    before = event.previous_status or "sent"
    reason = f" ({event.error.message})" if event.error else ""
    if event.is_stale:
        return f"{event.status}{reason}, but it stays {before}"
    return f"{before} -> {event.status}{reason}"
