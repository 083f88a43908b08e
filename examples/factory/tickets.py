"""The host application's own part: tickets, in memory for the example's sake."""

from __future__ import annotations

from typing import cast

from flask import Flask, abort

Ticket = dict[str, str]


def init_app(app: Flask) -> None:
    """Give *app* an empty store of tickets, and a page that shows one."""
    app.extensions["tickets"] = {}

    @app.get("/tickets/<reference>")
    def show(reference: str) -> Ticket:
        found = _store(app).get(reference)
        return found if found is not None else abort(404)


def ticket_of(app: Flask, reference: str) -> Ticket:
    """The ticket with that reference, made if it is not there."""
    return _store(app).setdefault(reference, {})


def _store(app: Flask) -> dict[str, Ticket]:
    return cast(dict[str, Ticket], app.extensions["tickets"])
