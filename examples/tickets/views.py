"""The host's own pages, which use ``db.session`` as any Flask-SQLAlchemy application."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import select

from .models import Ticket, db

blueprint = Blueprint("tickets", __name__, url_prefix="/tickets")


@blueprint.put("/<reference>")
def send(reference: str) -> tuple[dict[str, str], int]:
    """Make a ticket before its message is sent, since events may come at once.

    Once more with the ``message_id`` that Freshdesk's API answers with: not every event has the
    reference.
    """
    ticket = db.session.scalar(select(Ticket).where(Ticket.reference == reference))
    if ticket is None:
        ticket = Ticket(reference=reference)
        db.session.add(ticket)
    ticket.message_id = request.form.get("message_id", ticket.message_id)
    db.session.commit()
    return {"reference": reference}, 201


@blueprint.get("/<reference>")
def show(reference: str) -> dict[str, Any]:
    """A ticket and what happened to it."""
    ticket = db.first_or_404(select(Ticket).where(Ticket.reference == reference))
    return {
        "status": ticket.status,
        "is_open": ticket.is_open,
        "notes": [note.text for note in ticket.notes],
    }
