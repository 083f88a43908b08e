"""``flask fd-whatsapp acknowledge``."""

from __future__ import annotations

import pytest
from flask import Flask

from .conftest import MakeApp, Post, RunCommand, RunJSON, Tickets, ledger_of


@pytest.fixture
def app(make_durable: MakeApp, post: Post, tickets: Tickets) -> Flask:
    """An application with three dead events."""
    app = make_durable(MAX_ATTEMPTS=1)
    tickets.error = ValueError("no tickets")
    for number in range(3):
        post(app, data__message_id=f"M{number}")
    return app


def test_all(app: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """Without a choice every dead event is acknowledged, and stays dead."""
    assert run(app, "acknowledge").stdout == "fd_whatsapp: 3 dead events acknowledged.\n"
    assert ledger_of(app).backlog().dead == 3
    again = run_json(app, "acknowledge")
    assert again == {"acknowledged": {"fd_whatsapp": 0}, "problems": []}


def test_some(app: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """Events can be named, and one that has nothing to acknowledge is an error of its own."""
    first, second, third = sorted(event.id for event in ledger_of(app).events())
    found = run_json(app, "acknowledge", "--event", str(first), "--event", str(second))
    assert found["acknowledged"] == {"fd_whatsapp": 2}
    result = run(app, "acknowledge", "--event", str(first), "--event", str(third))
    assert result.exit_code == 1
    assert f"event {first} is not dead, or was acknowledged before" in result.stderr
    assert "1 dead event acknowledged" in result.stdout
    assert ledger_of(app).backlog().unacknowledged == 0


def test_unknown(app: Flask, run: RunCommand) -> None:
    """An event that is not there, or no id at all, is an error."""
    assert run(app, "acknowledge", "--event", "999").exit_code == 1
    assert run(app, "acknowledge", "--event", "x").exit_code == 2
