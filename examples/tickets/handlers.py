"""What happens to a ticket when its message moves.

All is written through ``current_ledger.transaction``: it commits together with the record that
the handler succeeded, so that it happens once, whatever is repeated or crashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from flask_fd_whatsapp import StatusEvent, current_ledger, message_failed, status_changed

from .models import Note, Ticket


@contextmanager
def ticket_of(event: StatusEvent) -> Iterator[Ticket | None]:
    """The ticket that *event* is about, to be changed in the block; ``None`` if it is not ours."""
    with Session(bind=current_ledger.transaction) as session:
        has_it = Ticket.reference == event.external_reference_id
        yield session.scalar(select(Ticket).where(has_it))
        session.flush()  # no commit: the ledger does that, after the handler


def connect_handlers(app: Flask) -> None:
    """Connect the handlers to *app* alone."""

    @status_changed.connect_via(app)
    def follow(app: Flask, event: StatusEvent) -> None:
        """Only ever moves forward, so that there is nothing to compare."""
        with ticket_of(event) as ticket:
            if ticket is not None:
                ticket.status = str(event.status)
                ticket.status_at = event.timestamp.replace(tzinfo=None)
                ticket.notes.append(
                    Note(text=f"{event.previous_status or 'sent'} -> {event.status}")
                )

    @message_failed.connect_via(app)
    def reopen(app: Flask, event: StatusEvent) -> None:
        """A failure after the message arrived (on another device, say) is noted, and no more."""
        reason = (event.error and event.error.message) or "no reason given"
        with ticket_of(event) as ticket:
            if ticket is None:
                return
            if event.is_stale:
                ticket.notes.append(
                    Note(text=f"failed late ({reason}), it was {event.previous_status}")
                )
            else:
                ticket.is_open = True
                ticket.notes.append(Note(text=f"not delivered ({reason}): call the customer"))
