"""The host's own pages, which use ``db.session`` as any Flask-SQLAlchemy application."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import select

from flask_fd_whatsapp.freshdesk import NotSent

from . import sending
from .models import Ticket, db

blueprint = Blueprint("tickets", __name__, url_prefix="/tickets")


@blueprint.put("/<reference>")
def send(reference: str) -> tuple[dict[str, str | None], int]:
    """Create a ticket, and send its message if there is a number ``to`` send it to."""
    sending.make(reference)
    to = request.form.get("to")
    message_id = sending.send(reference, to) if to else None
    return {"reference": reference, "message_id": message_id}, 201


@blueprint.errorhandler(NotSent)
def not_sent(error: NotSent) -> tuple[dict[str, str], int]:
    """Nothing was sent: the same request can be repeated."""
    return {"error": str(error)}, 503


@blueprint.get("/<reference>")
def show(reference: str) -> dict[str, Any]:
    """Show a ticket and its history."""
    ticket = db.first_or_404(select(Ticket).where(Ticket.reference == reference))
    return {
        "status": ticket.status,
        "is_open": ticket.is_open,
        "notes": [note.text for note in ticket.notes],
    }
