"""``flask fd-whatsapp status``."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp

from ..conftest import TOKEN, MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets, url_in


def test_empty(durable: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """A new ledger has nothing to tell, and that is no error."""
    (standing,) = run_json(durable, "status")["receivers"]
    assert standing == {
        "receiver": "fd_whatsapp",
        "last_accepted": None,
        "last_rejected": None,
        "rejections": [],
        "pending": 0,
        "oldest_pending": None,
        "oldest_pending_seconds": None,
        "next_due": None,
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
    assert standing["last_rejected"] == standing["rejections"][0]
    told = [(one["reason"], one["status_code"]) for one in standing["rejections"]]
    assert told == [("not_json", 200), ("invalid", 200)]
    counted = [standing[name] for name in ("pending", "dead", "quarantined", "ignored")]
    assert counted == [1, 1, 2, 1]
    printed = run(app, "status").stdout
    assert "    200 not_json, 0s ago: Expecting value (line 1, column 1).\n    200 inv" in printed
    assert "\n  Pending: 1, for " in printed
    assert "  Quarantined: 2 (and 1 ignored)\n" in printed


def test_rejected_without_a_trace_in_quarantine(
    make_durable: MakeApp, post: Post, run: RunCommand, run_json: RunJSON
) -> None:
    """A wrong token and a body that is too large are told too, with the setting to look at."""
    app = make_durable(MAX_BODY_BYTES=10)
    post(app, b"x" * 11)
    app.test_client().post("/freshdesk/whatsapp", headers={"Authorization": "Bearer old"})
    (standing,) = run_json(app, "status")["receivers"]
    last = standing["last_rejected"]
    assert (last["reason"], last["status_code"]) == ("unauthenticated", 401)
    assert last["at"] >= standing["rejections"][1]["at"]
    printed = run(app, "status").stdout
    for line in (
        "Header Authorization has a wrong value: see FD_WHATSAPP_HEADERS.",
        "The body is larger than 10 bytes. See FD_WHATSAPP_MAX_BODY_BYTES.",
    ):
        assert line in printed


def test_each_receivers_own(
    make_durable: MakeApp, post: Post, run_json: RunJSON, tmp_path: Path
) -> None:
    """Of receivers that share a ledger each is told what came to it: one is not the other's."""
    app = make_durable(DISPATCH="deferred")
    app.config.update(B_HEADERS={"Authorization": TOKEN}, B_LEDGER_URL=url_in(tmp_path))
    app.register_blueprint(FreshdeskWhatsApp("b", config_prefix="B", url_prefix="/b"))
    post(app)
    post(app, b"{", "/b/whatsapp")
    one, other = run_json(app, "status", "--max-silence", "1h", status=1)["receivers"]
    assert (one["pending"], one["quarantined"], one["rejections"]) == (1, 0, [])
    assert (other["pending"], other["quarantined"], len(other["rejections"])) == (0, 1, 1)
    assert (one["problems"], other["problems"]) == ([], ["no event has been accepted yet."])


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
