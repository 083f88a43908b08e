"""``flask fd-whatsapp prune``."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from flask_fd_whatsapp.ledger.sql.tables import message

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of, states

# The name in the package is the command's.
prune = import_module("flask_fd_whatsapp.commands.prune")


def age(app: Flask, days: int, *message_ids: str) -> None:
    """Make messages as old as that."""
    moment = datetime.now(UTC) - timedelta(days=days)
    with ledger_of(app).engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(
            update(message)
            .where(message.c.message_id.in_(message_ids))
            .values(first_seen=moment, last_seen=moment)
        )


@pytest.fixture
def aged(make_durable: MakeApp, post: Post, tickets: Tickets) -> Flask:
    """Messages of 39, 41 and 100 days, one of them pending; 40 days are kept."""
    app = make_durable(RETENTION_DAYS=40)
    for name in ("young", "old", "older"):
        post(app, data__message_id=name)
    tickets.error = ValueError("no tickets")
    post(app, data__message_id="unfinished")
    for name, days in (("young", 39), ("old", 41), ("older", 100), ("unfinished", 100)):
        age(app, days, name)
    return app


def test_forgets(aged: Flask, run: RunCommand) -> None:
    """What is older than FD_WHATSAPP_RETENTION_DAYS and finished goes, and nothing else."""
    result = run(aged, "prune")
    assert (result.exit_code, result.stdout) == (0, "fd_whatsapp: 2 messages forgotten.\n")
    assert set(states(aged)) == {"young", "unfinished"}


def test_batches(aged: Flask, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on until no batch is full."""
    monkeypatch.setattr(prune, "BATCH", 1)
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 2}
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 0}


def test_stops(aged: Flask, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to end it does so after the batch it is at."""
    ledger = ledger_of(aged)
    forget = ledger.prune

    def forget_and_be_stopped(**arguments: Any) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return forget(**arguments)

    monkeypatch.setattr(prune, "BATCH", 1)
    monkeypatch.setattr(ledger, "prune", forget_and_be_stopped)
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 1}
    assert set(states(aged)) == {"young", "old", "unfinished"}
