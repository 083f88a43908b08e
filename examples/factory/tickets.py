"""The host application's own part: tickets, kept in memory for simplicity."""

from __future__ import annotations

from typing import cast

from flask import Flask, abort

Ticket = dict[str, str]


def init_app(app: Flask) -> None:
    """Give *app* an empty store of tickets, and a page that shows one."""
    app.extensions["tickets"] = {}

    @app.get("/tickets/<message_id>")
    def show(message_id: str) -> Ticket:
        found = _store(app).get(message_id)
        return found if found is not None else abort(404)


def ticket_of(app: Flask, message_id: str) -> Ticket:
    """Return the ticket of that message, creating it if necessary.

    The id is the one that Freshdesk's API returns for a sent message; not every event has the
    reference.
    """
    return _store(app).setdefault(message_id, {})


def _store(app: Flask) -> dict[str, Ticket]:
    return cast(dict[str, Ticket], app.extensions["tickets"])
