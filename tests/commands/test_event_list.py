"""``flask fd-whatsapp events``."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import RetryLater

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets


@pytest.fixture
def filled(make_durable: MakeApp, post: Post, tickets: Tickets) -> Flask:
    """An application with events of three messages: done, dead and pending ones."""
    app = make_durable(CAMPAIGN=r"^(\w+)-", MAX_ATTEMPTS=1)
    post(app, "sent", data__message_id="M1", data__external_reference_id="A-1")
    post(app, "read", data__message_id="M1", data__external_reference_id="A-1")
    tickets.error = ValueError("no \x1b[1mtickets")
    post(app, "sent", data__message_id="M2", data__external_reference_id="B-1", account_id="7")
    post(app, "sent", data__message_id="M3", data__status="PLAYED")
    make_pending(app)
    return app


def make_pending(app: Flask) -> None:
    """Revive the last event without handling it."""
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    (last,) = ledger.events(limit=1)
    ledger.dead_events.revive(last.id)


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), [4, 3, 2, 1]),
        (("--status", "SENT"), [3, 1]),
        (("--status", "sent"), [3, 1]),
        (("--status", "PLAYED"), [4]),
        (("--status", "played"), []),
        (("--account", "7"), [3]),
        (("--campaign", "A"), [2, 1]),
        (("--reference", "B-1"), [3]),
        (("--message", "M1"), [2, 1]),
        (("--message", "m1"), []),
        (("--state", "done"), [2, 1]),
        (("--state", "dead"), [3]),
        (("--state", "pending"), [4]),
        (("--since", "1h"), [4, 3, 2, 1]),
        (("--until", "1h"), []),
        (("--since", "2020-01-01", "--until", "2021-01-01T00:00+02:00"), []),
        (("--before", "3"), [2, 1]),
        (("--receiver", "fd_whatsapp"), [4, 3, 2, 1]),
        (("--status", "SENT", "--state", "done", "--campaign", "A"), [1]),
    ],
)
def test_events_that_meet_every_condition(
    filled: Flask, run_json: RunJSON, arguments: tuple[str, ...], ids: list[int]
) -> None:
    """Events that meet every condition are listed, newest first."""
    found = run_json(filled, "events", *arguments)
    assert [event["id"] for event in found["events"]] == ids
    assert found["before"] is None


def test_pages_give_every_event_once(filled: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """The pages list every event once, and say where the next one begins."""
    seen: list[int] = []
    more: tuple[str, ...] = ()
    while True:
        page: dict[str, Any] = run_json(filled, "events", "--limit", "2", *more)
        seen += [event["id"] for event in page["events"]]
        if page["before"] is None:
            break
        more = ("--before", str(page["before"]))
    assert seen == [4, 3, 2, 1]
    assert "--before 4" in run(filled, "events", "--limit", "1").stderr
    assert "--before" not in run(filled, "events", "--limit", "4").stderr


def test_a_line_an_event(filled: Flask, run: RunCommand) -> None:
    """One line per event, and the error of those that are not done, without escapes."""
    result = run(filled, "events")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split()[0] for line in lines[:5]] == ["id", "4", "3", "2", "1"]
    assert all(word in lines[4] for word in ("SENT", "done", "11011399037", "M1", "A-1"))
    assert [line.split(" (")[0] for line in lines[5:]] == ["Event 4", "Event 3"]
    assert "dead after 1 attempt: tickets: ValueError: no \\u001b[1mtickets" in lines[6]


def test_late_event_is_marked(durable: Flask, run: RunCommand, post: Post) -> None:
    """A late event is marked."""
    post(durable, "read")
    post(durable, "sent")
    _, late, first = run(durable, "events").stdout.splitlines()
    assert ("SENT (stale)" in late, "stale" in first) == (True, False)


def test_a_postponed_event_is_shown_with_its_reason(
    durable: Flask, run: RunCommand, post: Post, tickets: Tickets
) -> None:
    """A postponed event is shown with the handler's reason and the time of the next attempt."""
    tickets.error = RetryLater(600, "no stock yet")
    post(durable)
    head, row, told = run(durable, "events").stdout.splitlines()
    (event,) = durable.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.events()
    due = event.due_at.isoformat(" ", "milliseconds").replace("+00:00", "Z")
    assert row[head.index("due") :].startswith(due)
    assert told.endswith(f"next attempt due {due}: tickets: RetryLater: no stock yet")
    assert "postponed 1 time" in told


def test_no_event_is_said(durable: Flask, run: RunCommand) -> None:
    """An empty list says so."""
    assert run(durable, "events").stdout == "No events.\n"


@pytest.mark.parametrize(
    "arguments",
    [("--since", "x"), ("--state", "lost"), ("--limit", "0"), ("--before", "x")],
)
def test_meaningless_filter_is_refused(
    durable: Flask, run: RunCommand, arguments: tuple[str, ...]
) -> None:
    """An invalid value is refused, naming the option."""
    result = run(durable, "events", *arguments)
    assert result.exit_code == 2
    assert f"'{arguments[0]}'" in result.output


def test_failures_are_explained(
    durable: Flask, run: RunCommand, run_json: RunJSON, post: Post
) -> None:
    """A FAILED has its code, text and class, and whether its message arrived all the same."""
    error = {"code": "131026", "message": "Undeliverable"}
    post(durable, "failed", data__message_id="M1", data__error=error)
    post(durable, "failed", data__message_id="M2", data__error=error)
    post(durable, "delivered", data__message_id="M2")
    told = run(durable, "events").stdout
    assert "(FAILED of M1) is of class recipient (131026: Undeliverable).\n" in told
    assert "(FAILED of M2) is of class recipient" in told
    assert told.count("It arrived all the same.") == 1
    found = {one["id"]: one["failure"] for one in run_json(durable, "events")["events"]}
    assert found[3] is None
    assert (found[2]["class"], found[2]["arrived_all_the_same"]) == ("recipient", True)
