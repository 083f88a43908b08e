"""``flask fd-whatsapp status``."""

from __future__ import annotations

import pytest
from flask import Flask

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets


def test_empty(durable: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """A new ledger has nothing to tell, and that is no error."""
    (standing,) = run_json(durable, "status")["receivers"]
    assert standing == {
        "receiver": "fd_whatsapp",
        "last_accepted": None,
        "last_rejected": None,
        "pending": 0,
        "oldest_pending": None,
        "oldest_pending_seconds": None,
        "dead": 0,
        "quarantined": 0,
        "ignored": 0,
        "problems": [],
    }
    assert "Last accepted: never\n" in run(durable, "status").stdout


def test_filled(
    make_durable: MakeApp, post: Post, tickets: Tickets, run: RunCommand, run_json: RunJSON
) -> None:
    """It tells what came last, what was refused last and why, and what is left."""
    app = make_durable(MAX_ATTEMPTS=2)
    post(app, "queued")
    tickets.error = ValueError("no tickets")
    post(app, "sent", data__message_id="M1")
    for _ in range(2):
        post(app, "sent", data__message_id="M2")
    post(app, b"{}")
    post(app, b"no JSON")
    post(app, event_type="another")
    (standing,) = run_json(app, "status")["receivers"]
    assert standing["last_accepted"] > standing["oldest_pending"]
    assert standing["oldest_pending_seconds"] >= 0
    assert (standing["last_rejected"]["id"], standing["last_rejected"]["reason"]) == (2, "not_json")
    counted = [standing[name] for name in ("pending", "dead", "quarantined", "ignored")]
    assert counted == [1, 1, 2, 1]
    printed = run(app, "status").stdout
    assert "    not_json: Expecting value (line 1, column 1).\n  Pending: 1, for " in printed
    assert "  Quarantined: 2 (and 1 ignored)\n" in printed


@pytest.mark.parametrize(
    ("limits", "problems"),
    [
        (("--max-silence", "1h"), []),
        (("--max-silence", "0s"), ["no event for "]),
        (("--max-pending", "2"), []),
        (("--max-pending", "1"), ["2 events pending, which is more than 1."]),
        (("--max-pending", "0", "--max-silence", "0s"), ["no event for ", "2 events pending"]),
    ],
)
def test_limits(
    deferred: Flask,
    post: Post,
    run: RunCommand,
    run_json: RunJSON,
    limits: tuple[str, ...],
    problems: list[str],
) -> None:
    """A limit that is passed is told, and makes the exit status 1."""
    for name in ("sent", "read"):
        post(deferred, name)
    (standing,) = run_json(deferred, "status", *limits, status=bool(problems))["receivers"]
    assert len(standing["problems"]) == len(problems)
    for told, problem in zip(standing["problems"], problems, strict=True):
        assert told.startswith(problem)
    result = run(deferred, "status", *limits)
    assert result.stdout.count("Problem: fd_whatsapp: ") == len(problems)
    assert result.exit_code == bool(problems)


def test_silence_from_the_beginning(durable: Flask, run_json: RunJSON) -> None:
    """Where no event has come at all, a limit of silence is passed."""
    (standing,) = run_json(durable, "status", "--max-silence", "1d", status=1)["receivers"]
    assert standing["problems"] == ["no event has been accepted yet."]


@pytest.mark.parametrize("limits", [("--max-silence", "2"), ("--max-pending", "-1")])
def test_usage(durable: Flask, run: RunCommand, limits: tuple[str, ...]) -> None:
    """A limit that means nothing is refused."""
    assert run(durable, "status", *limits).exit_code == 2
