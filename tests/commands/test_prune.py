"""``flask fd-whatsapp prune``."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.commands import replay_rate as pace
from flask_fd_whatsapp.ledger.sql.tables import event, message

from ..conftest import TOKEN, MakeApp
from ..ledger.entries import handle
from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of, states


def age(app: Flask, days: int, *message_ids: str) -> None:
    """Make messages this old."""
    moment = datetime.now(UTC) - timedelta(days=days)
    with ledger_of(app).engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(
            update(message)
            .where(message.c.message_id.in_(message_ids))
            .values(first_seen=moment, last_seen=moment)
        )
        keys = select(message.c.id).where(message.c.message_id.in_(message_ids))
        connection.execute(
            update(event).where(event.c.message_key.in_(keys)).values(received_at=moment)
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


def test_prune_forgets_what_is_old_and_finished(aged: Flask, run: RunCommand) -> None:
    """Finished messages older than FD_WHATSAPP_RETENTION_DAYS are pruned, and nothing else."""
    result = run(aged, "prune")
    assert (result.exit_code, result.stdout) == (0, "fd_whatsapp: 2 messages pruned.\n")
    assert set(states(aged)) == {"young", "unfinished"}


def two_receivers(make_durable: MakeApp) -> Flask:
    """Receivers that share a database and keep messages for 40 and for 400 days."""
    app = make_durable(RETENTION_DAYS=40)
    url = app.config["FD_WHATSAPP_LEDGER_URL"]
    settings = {"HEADERS": {"Authorization": TOKEN}, "LEDGER_URL": url, "RETENTION_DAYS": 400}
    app.config.from_mapping({f"LONG_{key}": value for key, value in settings.items()})
    long = FreshdeskWhatsApp("long", config_prefix="LONG", url_prefix="/long")
    app.register_blueprint(long)
    ledger = ledger_of(app)
    for message_id, receivers in MESSAGES_OF.items():
        for receiver, status in zip(receivers.split(), ("QUEUED", "SENT"), strict=False):
            handle(ledger, status, message_id=message_id, receiver=receiver)
    return app


MESSAGES_OF = {
    "short": "fd_whatsapp",
    "long": "long",
    "both": "fd_whatsapp long",
    "gone": "gone",
    "gone and short": "gone fd_whatsapp",
}
"""Messages by the receivers that their events reached; ``gone`` is not registered any more."""


@pytest.mark.parametrize(
    ("days", "arguments", "forgotten", "of_others"),
    [
        (100, (), ["short"], 0),
        (100, ("--receiver", "fd_whatsapp"), ["short"], None),
        (100, ("--receiver", "long"), [], None),
        (500, ("--receiver", "long"), ["long"], None),
        (500, (), ["short", "long", "both"], 1),
        (100, ("--unregistered",), ["short"], 0),
        (500, ("--unregistered",), list(MESSAGES_OF), 3),
    ],
)
def test_each_receiver_keeps_for_its_own_time(
    make_durable: MakeApp,
    run_json: RunJSON,
    days: int,
    arguments: tuple[str, ...],
    forgotten: list[str],
    of_others: int | None,
) -> None:
    """A receiver's messages are pruned after its own retention, shared ones last, and others' on
    request.
    """
    app = two_receivers(make_durable)
    age(app, days, *MESSAGES_OF)
    told = run_json(app, "prune", *arguments)
    assert set(MESSAGES_OF) - set(states(app)) == set(forgotten)
    assert sum(told["forgotten"].values()) + (of_others or 0) == len(forgotten)
    rest = {
        "receivers": ["fd_whatsapp", "long"],
        "retention_days": 400,
        "also_forgotten": of_others,
        "unregistered": [] if len(forgotten) == len(MESSAGES_OF) else ["gone"],
    }
    assert told["databases"] == ([] if of_others is None else [rest])


def test_tells_of_what_is_left(make_durable: MakeApp, run: RunCommand) -> None:
    """It reports that messages of unregistered receivers stay, and how to prune them."""
    app = two_receivers(make_durable)
    age(app, 500, *MESSAGES_OF)
    lines = run(app, "prune").stdout.splitlines()
    assert lines[:2] == ["fd_whatsapp: 1 message pruned.", "long: 1 message pruned."]
    assert "400 days, the longest of fd_whatsapp, long." in lines[2]
    assert "not registered here (gone)" in lines[3]
    assert "prune --unregistered" in lines[3]
    lines = run(app, "prune", "--unregistered").stdout.splitlines()
    assert lines[2].startswith("2 messages of several receivers, or of receivers that are not ")
    assert len(lines) == 3


def test_unregistered_of_one_receiver(aged: Flask, run: RunCommand) -> None:
    """--receiver and --unregistered exclude each other."""
    result = run(aged, "prune", "--unregistered", "--receiver", "fd_whatsapp")
    assert result.exit_code == 2
    assert "remove --receiver" in result.stderr


def test_prune_goes_on_until_nothing_is_found(
    aged: Flask, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on until a batch finds nothing."""
    monkeypatch.setattr(pace, "SMALLEST", 1)
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 2}
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 0}


def test_goes_on_after_a_small_batch(
    aged: Flask, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that prunes fewer messages because of locks is not the last."""
    ledger = ledger_of(aged)
    forget = ledger.maintenance.prune
    monkeypatch.setattr(ledger.maintenance, "prune", lambda limit, **rest: forget(limit=1, **rest))
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 2}


def test_prune_stops_after_its_batch(
    aged: Flask, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SIGTERM it stops after the current batch."""
    ledger = ledger_of(aged)
    forget = ledger.maintenance.prune

    def forget_and_be_stopped(**arguments: Any) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return forget(**arguments)

    monkeypatch.setattr(pace, "SMALLEST", 1)
    monkeypatch.setattr(ledger.maintenance, "prune", forget_and_be_stopped)
    assert run_json(aged, "prune")["forgotten"] == {"fd_whatsapp": 1}
    assert set(states(aged)) == {"young", "old", "unfinished"}


def test_prune_gives_space_back(aged: Flask, run: RunCommand) -> None:
    """On request it returns the space, and says whom that locks out."""
    file = Path(ledger_of(aged).engine.url.database)  # type: ignore[attr-defined]
    with ledger_of(aged).engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(update(event).values(payload="x" * 1_000_000))
    result = run(aged, "prune", "--compact")
    assert result.exit_code == 0
    assert "nobody else can write" in result.stderr
    assert file.stat().st_size < 3_000_000
    assert set(states(aged)) == {"young", "unfinished"}
