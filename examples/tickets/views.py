"""The host's own pages, which use ``db.session`` as any Flask-SQLAlchemy application."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import select

from .models import Ticket, db
from .sending import store

blueprint = Blueprint("tickets", __name__, url_prefix="/tickets")


@blueprint.put("/<reference>")
def send(reference: str) -> tuple[dict[str, str], int]:
    """Make a ticket; with the ``message_id`` that Freshdesk's API has answered with, if it has."""
    store(reference, request.form.get("message_id"))
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
