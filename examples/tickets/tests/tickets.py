"""The application that this suite tests: tickets, in memory for the example's sake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, Status, StatusEvent, status_changed


@dataclass
class Ticket:
    """What an agent sees of a message.

    :param status: how far the message has come.
    :param reopened_because: why it did not arrive, if it did not.
    """

    status: str = "new"
    reopened_because: str | None = None


def create_app(token: str) -> Flask:
    """The application, which takes events that carry *token*."""
    app = Flask(__name__)
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": f"Bearer {token}"}
    app.register_blueprint(FreshdeskWhatsApp())
    app.extensions["tickets"] = {}
    status_changed.connect(sync_ticket, sender=app)
    return app


def tickets_of(app: Flask) -> dict[str, Ticket]:
    """The tickets by message id, which Freshdesk's API gives when a message is sent."""
    return cast(dict[str, Ticket], app.extensions["tickets"])


def sync_ticket(app: Flask, event: StatusEvent) -> None:
    """The message moved forward: FAILED opens the ticket again, a late delivery closes it."""
    ticket = tickets_of(app)[event.message_id]
    ticket.status = str(event.status)
    ticket.reopened_because = None
    if event.status == Status.FAILED:
        ticket.reopened_because = (event.error and event.error.code) or "unknown"
