"""The host's tickets on its own pages, and their expected state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any

from flask_fd_whatsapp.simulator import SimulatedMessage

from .server import request

Tickets = Mapping[SimulatedMessage, dict[str, Any]]


def send(port: int, reference: str) -> None:
    """Have the host create a ticket and send its message through Freshdesk's API."""
    _request(port, "PUT", reference, "to=%2B4930123456")


def read(port: int, message: SimulatedMessage) -> dict[str, Any]:
    """The ticket of a message."""
    ticket: dict[str, Any] = json.loads(_request(port, "GET", str(message.external_reference_id)))
    return ticket


def _request(port: int, method: str, reference: str, form: str | None = None) -> str:
    path = f"/tickets/{reference}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    answer = request(port, method, path, form, headers)
    if answer.status >= 400:
        raise HTTPException(f"{method} {path} was answered with {answer.status}: {answer.body}")
    return answer.body


def show(tickets: Tickets) -> None:
    """Show how many tickets have each status, with the longest history of each."""
    count = Counter(ticket["status"] for ticket in tickets.values())
    for status, number in count.most_common():
        alike = [(m, t) for m, t in tickets.items() if t["status"] == status]
        message, ticket = max(alike, key=lambda pair: len(pair[1]["notes"]))
        state = "open" if ticket["is_open"] else "closed"
        print(
            f"\n  {number} tickets are {status}, such as {message.external_reference_id} ({state})"
        )
        for note in ticket["notes"]:
            print(f"    {note}")


def mistakes(tickets: Tickets) -> Iterator[str]:
    """Return the tickets that differ from the simulator's message, or have an event noted twice.

    A message whose webhooks were withheld has a single note: of what the API reported.
    """
    for message, ticket in tickets.items():
        name = message.external_reference_id
        expected = message.final_status
        if ticket["status"] != expected:
            yield f"ticket {name} {expected}, not {ticket['status']}"
        if ticket["is_open"] != (expected == "FAILED"):
            state = "closed" if ticket["is_open"] else "open"
            yield f"ticket {name} {state}, since its message is {expected}"
        notes = len(message.steps) if any(post.tries for post in message.posts) else 1
        if len(ticket["notes"]) != notes:
            yield f"ticket {name} with {notes} notes, not {ticket['notes']}"
