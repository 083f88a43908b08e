"""``flask fd-whatsapp status``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.event import listens_for

from flask_fd_whatsapp import FreshdeskWhatsApp, RetryLater
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..answers import make_due
from ..conftest import TOKEN, MakeApp, Payload
from ..processes.waiting import wait_until
from .conftest import Post, RunCommand, RunJSON, Tickets, receiver_of, url_in


def test_status_of_a_new_ledger(durable: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """A new ledger has nothing to report, which is not an error."""
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
        "being_handled": [],
        "postponed": 0,
        "most_postponed": None,
        "dead": 0,
        "unacknowledged": 0,
        "unknown_sends": 0,
        "unheard_since": None,
        "told_by_api": 0,
        "reconciliations": [],
        "quarantined": 0,
        "ignored": 0,
        "tokens": [],
        "rules": [
            {"rule": rule, "limit": limit, "found": found, "problem": None}
            for rule, limit, found in [
                ("trial_write", True, True),
                ("max_dead", 0, 0),
                ("max_rejected", 0, None),
                ("max_overdue", 900, None),
                ("max_failing", 3600, None),
                ("max_handling", 300, None),
                ("max_unheard", 600, None),
                ("max_told", 0, 0),
                ("max_silence", None, None),
                ("max_pending", None, None),
            ]
        ],
        "problems": [],
    }
    assert "Last accepted: never\n" in run(durable, "status").stdout


def test_status_tells_what_came_last(
    make_durable: MakeApp, post: Post, tickets: Tickets, run: RunCommand, run_json: RunJSON
) -> None:
    """It shows the last event, the last rejection with its reason, and what is pending."""
    app = make_durable(MAX_ATTEMPTS=2)
    post(app, "queued")
    tickets.error = ValueError("no tickets")
    post(app, "sent", data__message_id="M1")
    for _ in range(2):
        post(app, "sent", data__message_id="M2")
        make_due(app)
    post(app, b"{}")
    post(app, b"no JSON")
    post(app, event_type="another")
    (standing,) = run_json(app, "status", status=1)["receivers"]
    assert standing["last_accepted"] > standing["oldest_pending"]
    assert standing["oldest_pending_seconds"] >= 0
    assert standing["last_rejected"] == standing["rejections"][0]
    told = [(one["reason"], one["status_code"]) for one in standing["rejections"]]
    assert told == [("not_json", 200), ("invalid", 200)]
    counted = [standing[name] for name in ("pending", "dead", "quarantined", "ignored")]
    assert counted == [1, 1, 2, 1]
    printed = run(app, "status").stdout
    told_of = r"    200 not_json, \w+ ago: Expecting value \(line 1, column 1\)\.\n    200 inv"
    assert re.search(told_of, printed)
    assert "\n  Pending: 1, for " in printed
    assert "  Quarantined: 2 (and 1 ignored)\n" in printed


def test_rejected_without_a_trace_in_quarantine(
    make_durable: MakeApp, post: Post, run: RunCommand, run_json: RunJSON
) -> None:
    """A wrong token and an oversized body are reported with the setting to look at."""
    app = make_durable(MAX_BODY_BYTES=10)
    post(app, b"x" * 11)
    app.test_client().post("/freshdesk/whatsapp", headers={"Authorization": "Bearer old"})
    (standing,) = run_json(app, "status", status=1)["receivers"]
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
    """Receivers that share a ledger are reported separately."""
    app = make_durable(DISPATCH="deferred")
    app.config.update(B_HEADERS={"Authorization": TOKEN}, B_LEDGER_URL=url_in(tmp_path))
    app.register_blueprint(FreshdeskWhatsApp("b", config_prefix="B", url_prefix="/b"))
    post(app)
    post(app, b"{", "/b/whatsapp")
    limits = ("--max-silence", "1h", "--max-rejected", "off")
    one, other = run_json(app, "status", *limits, status=1)["receivers"]
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
def test_passed_limit_exits_with_1(
    deferred: Flask,
    post: Post,
    run: RunCommand,
    run_json: RunJSON,
    limits: tuple[str, ...],
    problems: list[str],
) -> None:
    """An exceeded limit is reported, with exit status 1."""
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
    """Without any event, a limit on silence is exceeded."""
    (standing,) = run_json(durable, "status", "--max-silence", "1d", status=1)["receivers"]
    assert standing["problems"] == ["no event has been accepted yet."]


def test_dead_events(
    make_durable: MakeApp, post: Post, tickets: Tickets, run_json: RunJSON
) -> None:
    """A dead event is a problem until it is acknowledged, and again if it dies once more."""
    app = make_durable(MAX_ATTEMPTS=1)
    tickets.error = ValueError("no tickets")
    post(app)

    def rule(status: int, *limits: str) -> Any:
        (standing,) = run_json(app, "status", *limits, status=status)["receivers"]
        assert standing["dead"] == 1
        return next(one for one in standing["rules"] if one["rule"] == "max_dead")

    assert rule(1)["problem"].startswith("1 dead event that nobody has acknowledged: ")
    assert rule(0, "--max-dead", "1") == {
        "rule": "max_dead",
        "limit": 1,
        "found": 1,
        "problem": None,
    }
    assert rule(0, "--max-dead", "off")["limit"] is None
    assert run_json(app, "acknowledge")["acknowledged"] == {"fd_whatsapp": 1}
    assert rule(0)["found"] == 0
    run_json(app, "retry", "--dead", status=1)
    assert rule(1)["found"] == 1


def test_a_wrong_token_is_a_problem_until_an_event_is_accepted(
    make_durable: MakeApp, post: Post, run_json: RunJSON
) -> None:
    """A wrong token is a problem until an event is accepted; a missing one is not."""
    app = make_durable()
    stranger = app.test_client()
    stranger.post("/freshdesk/whatsapp")
    run_json(app, "status")
    stranger.post("/freshdesk/whatsapp", headers={"Authorization": "Bearer old"})
    stranger.post("/freshdesk/whatsapp")
    finish_writes(5)
    (standing,) = run_json(app, "status", status=1)["receivers"]
    (problem,) = standing["problems"]
    assert "was rejected (401 unauthenticated), and none has been accepted since" in problem
    assert "Header Authorization has a wrong value" in problem
    assert [one["has_no_header"] for one in standing["rejections"]] in (
        [True, False],
        [False, True],
    )
    run_json(app, "status", "--max-rejected", "off")
    post(app)
    run_json(app, "status")


def test_read_only_database_is_a_problem(
    make_durable: MakeApp, post: Post, run_json: RunJSON, tmp_path: Path
) -> None:
    """A read-only database is a problem, unless the trial write is switched off."""
    app = make_durable()
    post(app)
    engine = receiver_of(app).ledger.engine  # type: ignore[attr-defined]

    @listens_for(engine, "connect")
    def make_read_only(connection: Any, record: object) -> None:
        connection.execute("PRAGMA query_only = 1")

    engine.dispose()
    (standing,) = run_json(app, "status", status=1)["receivers"]
    assert standing["pending"] == 0
    (problem,) = standing["problems"]
    assert problem.startswith("the ledger can be read, but not written: ")
    assert "readonly" in problem
    assert "(the file is /" in problem
    run_json(app, "status", "--no-trial-write")


def test_full_database_is_a_problem(make_durable: MakeApp, post: Post, run_json: RunJSON) -> None:
    """A database that cannot grow any more, as on a full disk, is a problem."""
    app = make_durable()
    post(app)
    engine = receiver_of(app).ledger.engine  # type: ignore[attr-defined]

    @listens_for(engine, "connect")
    def allow_no_more_pages(connection: Any, record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are

    engine.dispose()
    (standing,) = run_json(app, "status", status=1)["receivers"]
    assert "database or disk is full" in standing["problems"][0]


def test_status_tells_token_uses_by_position(
    make_durable: MakeApp, payload: Payload, run: RunCommand, run_json: RunJSON
) -> None:
    """The last use of each entry of a header's list is shown by position, without values."""
    app = make_durable(HEADERS={"Authorization": ["Bearer new", "Bearer old"], "X-Key": "key"})
    headers = {"Authorization": "Bearer old", "X-Key": "key"}
    app.test_client().post("/freshdesk/whatsapp", json=payload(), headers=headers)
    wait_until(receiver_of(app).ledger.token_uses.last, "the use is noted")
    (standing,) = run_json(app, "status")["receivers"]
    new, old = standing["tokens"]
    assert new == {"header": "Authorization", "position": 1, "last_used": None}
    assert (old["header"], old["position"]) == ("Authorization", 2)
    assert old["last_used"] is not None
    printed = run(app, "status").stdout
    assert "  Authorization, entry 1 of its list: last used never\n" in printed
    assert "  Authorization, entry 2 of its list: last used 2" in printed
    assert "Bearer" not in printed
    assert "X-Key" not in printed


def test_being_handled(
    make_durable: MakeApp, post: Post, tickets: Tickets, run: RunCommand, run_json: RunJSON
) -> None:
    """What is being handled is told, and is a problem when that takes too long."""
    app = make_durable()
    seen = {}

    def look() -> None:
        seen["json"] = run_json(app, "status")["receivers"]
        seen["late"] = run_json(app, "status", "--max-handling", "0s", status=1)["receivers"]
        seen["text"] = run(app, "status").stdout

    tickets.before = look
    assert post(app, "sent", data__message_id="M7") == "accepted"
    (standing,) = seen["json"]
    (handled,) = standing["being_handled"]
    assert (handled["message_id"], handled["status"]) == ("M7", "SENT")
    assert "SENT of M7" in seen["text"]
    (problem,) = seen["late"][0]["problems"]
    assert "SENT of message M7, has been handled for" in problem


def test_status_shows_what_handlers_have_put_off_and_why(
    make_durable: MakeApp, post: Post, tickets: Tickets, run: RunCommand, run_json: RunJSON
) -> None:
    """It shows how many events are postponed, and the one postponed most often."""
    app = make_durable()
    tickets.error = RetryLater(600, "no stock yet")
    post(app, "sent", data__message_id="M1")
    for _ in range(2):
        post(app, "sent", data__message_id="M2")
    (standing,) = run_json(app, "status")["receivers"]
    worst = standing["most_postponed"]
    assert (standing["postponed"], worst["message_id"], worst["postponed"]) == (2, "M2", 2)
    assert worst["last_error"] == "tickets: RetryLater: no stock yet"
    told = run(app, "status").stdout
    assert "Postponed by a handler: 2. Postponed most often: Event" in told
    assert "postponed 2 times" in told
    assert "tickets: RetryLater: no stock yet" in told


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (("--max-silence", "2"), "'2' is not a length of time such as 90s"),
        (("--max-pending", "-1"), "'-1' is not a whole number"),
        (("--max-dead", "x"), "'x' is not a whole number"),
    ],
)
def test_meaningless_limit_is_refused(
    durable: Flask, run: RunCommand, limit: tuple[str, ...], wanted: str
) -> None:
    """An invalid limit is refused, with what to write."""
    result = run(durable, "status", *limit)
    assert result.exit_code == 2
    assert wanted in result.output
