"""Handlers for the assertions: good ones, and one for each kind of mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from flask import Flask

from flask_fd_whatsapp import (
    StatusEvent,
    message_delivered,
    message_failed,
    message_read,
    status_changed,
    status_received,
)

Tickets = dict[str, dict[str, object]]
Connect = Callable[[Flask, Tickets], None]


def _ticket(tickets: Tickets, event: StatusEvent) -> dict[str, object]:
    return tickets.setdefault(event.message_id, {})


def follows(app: Flask, tickets: Tickets) -> None:
    """Keeps the furthest status."""

    @status_changed.connect_via(app)
    def follow(app: Flask, event: StatusEvent) -> None:
        _ticket(tickets, event)["status"] = event.status


def marks(app: Flask, tickets: Tickets) -> None:
    """Keeps the statuses seen, as a set."""

    @status_received.connect_via(app)
    def mark(app: Flask, event: StatusEvent) -> None:
        _ticket(tickets, event)[event.status] = True


def counts(app: Flask, tickets: Tickets) -> None:
    """Bad: counts calls."""

    @message_delivered.connect_via(app)
    @message_failed.connect_via(app)
    @message_read.connect_via(app)
    def count(app: Flask, event: StatusEvent) -> None:
        ticket = _ticket(tickets, event)
        ticket["calls"] = int(str(ticket.get("calls", 0))) + 1


def follows_blindly(app: Flask, tickets: Tickets) -> None:
    """Bad: keeps the status that came last."""

    @status_received.connect_via(app)
    def follow_blindly(app: Flask, event: StatusEvent) -> None:
        _ticket(tickets, event)["status"] = event.status


def reopens(app: Flask, tickets: Tickets) -> None:
    """Bad: a failure before the delivery leaves its mark, one after it does not."""
    follows(app, tickets)

    @message_failed.connect_via(app)
    def reopen(app: Flask, event: StatusEvent) -> None:
        if not event.is_stale:
            _ticket(tickets, event)["reopened"] = True


def appears_once(app: Flask, tickets: Tickets) -> None:
    """Bad: fails when called again."""
    seen: Counter[tuple[str, str, str]] = Counter()

    @message_read.connect_via(app)
    def insert(app: Flask, event: StatusEvent) -> None:
        seen[event.key] += 1
        if seen[event.key] > 1:
            raise KeyError("unique constraint")

    marks(app, tickets)


def knows_references_only(app: Flask, tickets: Tickets) -> None:
    """Bad: cannot handle a failure that arrives first, without a reference."""

    @status_changed.connect_via(app)
    def follow_reference(app: Flask, event: StatusEvent) -> None:
        if event.external_reference_id is not None:
            _ticket(tickets, event)["status"] = event.status


def compares_with_the_last(app: Flask, tickets: Tickets) -> None:
    """Bad: counts calls unless the previous one was for the same event."""

    @message_delivered.connect_via(app)
    @message_read.connect_via(app)
    def count(app: Flask, event: StatusEvent) -> None:
        ticket = _ticket(tickets, event)
        if ticket.pop("last", None) != event.status:
            ticket["calls"] = int(str(ticket.get("calls", 0))) + 1
        ticket["last"] = event.status
