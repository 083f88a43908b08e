"""What this application does when a message moves."""

from __future__ import annotations

from flask import Flask

from flask_fd_whatsapp import Status, status_changed

from . import tickets
from .schema import BrandedEvent


def connect_handlers(app: Flask) -> None:
    """Connect the handlers to *app* alone.

    ``connect_via`` keeps them: with ``connect`` they would vanish when this function returns,
    since blinker holds functions weakly.
    """

    @status_changed.connect_via(app)
    def sync_ticket(app: Flask, event: BrandedEvent) -> None:
        ticket = tickets.ticket_of(app, event.message_id)
        ticket["status"] = str(event.status)
        if event.brand is not None:
            ticket["brand"] = event.brand

    @status_changed.connect_via(app)
    def reopen_ticket(app: Flask, event: BrandedEvent) -> None:
        ticket = tickets.ticket_of(app, event.message_id)
        if event.status == Status.FAILED:
            ticket["reopened_because"] = (event.error and event.error.message) or "unknown"
        else:
            ticket.pop("reopened_because", None)  # it arrived nevertheless
