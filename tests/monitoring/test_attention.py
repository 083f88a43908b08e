"""Unit tests of the rules for what needs attention."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flask_fd_whatsapp.ledger import Backlog, BeingHandled, Rejection
from flask_fd_whatsapp.monitoring.attention import Limits, findings, problems
from flask_fd_whatsapp.monitoring.standing import Standing

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


def standing(**facts: Any) -> Standing:
    """The state of a receiver with the given facts."""
    of_standing = {"unwritable", "rejections", "being_handled"}
    given = {name: value for name, value in facts.items() if name in of_standing}
    rest = {name: value for name, value in facts.items() if name not in of_standing}
    return Standing(receiver="r", as_of=NOW, backlog=Backlog(**rest), **given)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def rejected(when: datetime, *, has_no_header: bool = False) -> Rejection:
    return Rejection(
        receiver="r",
        reason="unauthenticated",
        status_code=401,
        detail="See FD_WHATSAPP_HEADERS.",
        last_seen=when,
        has_no_header=has_no_header,
    )


def handled(since: datetime) -> BeingHandled:
    return BeingHandled(
        receiver="r", event_id=7, account_id="1", message_id="M1", status="READ", since=since
    )


RED: list[tuple[str, dict[str, Any], str]] = [
    ("trial_write", {"unwritable": "disk full"}, "disk full"),
    ("max_dead", {"dead": 2, "unacknowledged": 1}, "1 dead event that nobody"),
    ("max_rejected", {"rejections": [rejected(ago(days=9))]}, "401 unauthenticated"),
    (
        "max_rejected",
        {"rejections": [rejected(ago(minutes=1))], "last_received": ago(minutes=2)},
        "the last request, 1m ago, was rejected",
    ),
    (
        "max_rejected",
        {
            "rejections": [rejected(NOW, has_no_header=True), rejected(ago(hours=1))],
            "last_received": ago(hours=2),
        },
        "the last request, 1h ago,",
    ),
    ("max_overdue", {"oldest_due": ago(minutes=16)}, "due for 16m, which is more than 15m"),
    ("max_failing", {"failing_since": ago(minutes=61)}, "1h1m ago, which is more than 1h"),
    ("max_handling", {"being_handled": [handled(ago(minutes=6))]}, "for 6m, which is more than 5m"),
]


@pytest.mark.parametrize(("rule", "facts", "text"), RED, ids=[rule for rule, *_ in RED])
def test_what_needs_attention_is_a_problem(rule: str, facts: dict[str, Any], text: str) -> None:
    """Each condition is a problem of its own rule, unless that is switched off."""
    (problem,) = problems(standing(**facts), Limits())
    assert text in problem
    (finding,) = [one for one in findings(standing(**facts), Limits()) if one.problem]
    assert finding.rule == rule
    assert problems(standing(**facts), Limits(**{rule: None})) == []


GREEN: dict[str, dict[str, Any]] = {
    "nothing yet": {},
    "busy": {"pending": 9000, "oldest_pending": ago(days=3), "next_due": NOW},
    "quiet": {"last_received": ago(days=40)},
    "acknowledged": {"dead": 2},
    "accepted since": {"rejections": [rejected(ago(hours=1))], "last_received": ago(minutes=5)},
    "noted": {"rejections": [replace(rejected(NOW), is_acknowledged=True)]},
    "scanned": {"rejections": [rejected(NOW, has_no_header=True)]},
    "due soon": {"oldest_due": ago(minutes=-10)},
    "due": {"oldest_due": ago(minutes=15)},
    "has failed": {"failing_since": ago(minutes=60)},
    "being handled": {"being_handled": [handled(ago(minutes=5))]},
}


@pytest.mark.parametrize("facts", GREEN.values(), ids=GREEN)
def test_what_is_right_is_no_problem(facts: dict[str, Any]) -> None:
    """A healthy state is not a problem."""
    assert problems(standing(**facts), Limits()) == []


def test_limits_that_are_off_by_default() -> None:
    """Limits on silence and pending events are set by the host."""
    facts = standing(last_received=ago(hours=3), pending=11)
    limits = Limits(max_silence=timedelta(hours=2), max_pending=10)
    assert problems(facts, limits) == [
        "no event for 3h, which is more than 2h.",
        "11 events pending, which is more than 10.",
    ]
    assert problems(standing(), limits) == ["no event has been accepted yet."]


def test_a_ledger_that_cannot_be_read() -> None:
    """An unreadable ledger is the problem, and no rule claims to have found anything."""
    unknown = Standing.unknown("r", OSError("no route to host"))
    limits = Limits(max_silence=timedelta(0), max_pending=0)
    assert problems(unknown, limits) == ["The ledger cannot be used: no route to host"]
    assert {one.found for one in findings(unknown, limits)} == {None}


def test_a_clock_that_differs() -> None:
    """Times in the future, because the database's clock is ahead, are not problems."""
    ahead = NOW + timedelta(minutes=2)
    facts = standing(last_received=ahead, failing_since=ahead, oldest_due=ahead)
    assert problems(facts, Limits(max_silence=timedelta(0))) == []
