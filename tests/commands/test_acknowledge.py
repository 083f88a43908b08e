"""``flask fd-whatsapp acknowledge``."""

from __future__ import annotations

import pytest
from flask import Flask

from ..conftest import TOKEN, URL
from .conftest import MakeApp, Post, RunCommand, RunJSON, Tickets, ledger_of


@pytest.fixture
def app(make_durable: MakeApp, post: Post, tickets: Tickets) -> Flask:
    """An application with three dead events."""
    app = make_durable(MAX_ATTEMPTS=1)
    tickets.error = ValueError("no tickets")
    for number in range(3):
        post(app, data__message_id=f"M{number}")
    return app


def test_every_dead_event_is_acknowledged_without_a_choice(
    app: Flask, run: RunCommand, run_json: RunJSON
) -> None:
    """Without --event every dead event is acknowledged, and stays dead."""
    assert run(app, "acknowledge").stdout == "fd_whatsapp: 3 dead events acknowledged.\n"
    assert ledger_of(app).overview.backlog().dead == 3
    again = run_json(app, "acknowledge")
    nothing = {"fd_whatsapp": 0}
    assert again == {"acknowledged": nothing, "rejections": nothing, "problems": []}


def test_acknowledged_rejection_needs_no_attention(
    make_durable: MakeApp, run: RunCommand, run_json: RunJSON
) -> None:
    """An acknowledged rejection needs no attention; the next one does."""
    app = make_durable()

    def problems_after(body: str) -> list[str]:
        app.test_client().post(URL, headers={"Authorization": TOKEN}, data=body)
        (standing,) = run_json(app, "status", status=1)["receivers"]
        return list(standing["problems"])

    (problem,) = problems_after("no")
    assert "not_json" in problem
    assert "fd_whatsapp: 1 rejection acknowledged.\n" in run(app, "acknowledge").stdout
    (standing,) = run_json(app, "status")["receivers"]
    assert len(standing["rejections"]) == 1
    (problem,) = problems_after("{}")
    assert "invalid" in problem


def test_named_events_are_acknowledged(app: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """Events can be named, and each that cannot be acknowledged is an error of its own."""
    first, second, third = sorted(event.id for event in ledger_of(app).events())
    found = run_json(app, "acknowledge", "--event", str(first), "--event", str(second))
    assert found["acknowledged"] == {"fd_whatsapp": 2}
    result = run(app, "acknowledge", "--event", str(first), "--event", str(third))
    assert result.exit_code == 1
    assert f"event {first} is not dead, or was already acknowledged" in result.stderr
    assert "1 dead event acknowledged" in result.stdout
    assert ledger_of(app).overview.backlog().unacknowledged == 0


def test_acknowledging_an_unknown_event_is_an_error(app: Flask, run: RunCommand) -> None:
    """An unknown event, or something that is not an id, is an error."""
    assert run(app, "acknowledge", "--event", "999").exit_code == 1
    assert run(app, "acknowledge", "--event", "x").exit_code == 2
