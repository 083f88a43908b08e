"""``flask fd-whatsapp retry`` of chosen events: ``--dead`` and ``--event``."""

from __future__ import annotations

import pytest
from flask import Flask

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets, expect_of, states


@pytest.fixture
def dead(make_durable: MakeApp, post: Post, tickets: Tickets) -> Flask:
    """An application with three dead events."""
    app = make_durable(MAX_ATTEMPTS=1)
    tickets.error = ValueError("no tickets")
    for message_id in ("M1", "M2", "M3"):
        post(app, data__message_id=message_id)
    assert set(states(app).values()) == {"dead"}
    tickets.calls.clear()
    return app


def test_the_dead_are_revived_when_asked_for(
    dead: Flask, run: RunCommand, tickets: Tickets
) -> None:
    """Dead events are left alone without --dead, and revived and handled with it, oldest first."""
    assert run(dead, "retry").stdout == "Nothing to do.\n"
    tickets.error = None
    result = run(dead, "retry", "--dead")
    assert (result.exit_code, result.stdout) == (0, "3 accepted.\n")
    assert tickets.calls == ["M1", "M2", "M3"]
    assert set(states(dead).values()) == {"done"}


def test_an_event_that_dies_again_can_be_revived_again(
    dead: Flask, run: RunCommand, run_json: RunJSON, tickets: Tickets
) -> None:
    """An event that dies again is attempted once, reported as dead, and can be revived again."""
    outcome = run_json(dead, "retry", "--dead", status=1)
    assert (outcome["failed"], len(tickets.calls)) == (3, 3)
    assert {event["state"] for event in outcome["failures"]} == {"dead"}
    assert (
        "is dead after 1 attempt: tickets: ValueError: no tickets"
        in run(dead, "retry", "--dead").stdout
    )


def test_dead_events_of_many_pages_are_all_handled_once(
    dead: Flask, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More dead events than one page are all handled, each once."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH", 2)
    assert run(dead, "retry", "--dead").stdout.splitlines()[-1] == "3 unfinished."


def test_one_dead_event_is_revived(dead: Flask, run: RunCommand, tickets: Tickets) -> None:
    """One dead event is revived and handled, and no other."""
    tickets.error = None
    result = run(dead, "retry", "--event", "2")
    assert (result.exit_code, result.stdout) == (0, "1 accepted.\n")
    assert states(dead) == {"M1": "dead", "M2": "done", "M3": "dead"}


def test_event_that_is_not_due(
    deferred: Flask, post: Post, run: RunCommand, tickets: Tickets
) -> None:
    """One event is attempted at once, despite its back-off."""
    post(deferred)
    tickets.error = ValueError("no tickets")
    assert run(deferred, "retry").exit_code == 1
    tickets.error = None
    assert run(deferred, "retry").stdout.startswith("Nothing to do now: 1 event is pending, ")
    assert run(deferred, "retry", "--event", "1").stdout == "1 accepted.\n"


def test_event_that_fails(dead: Flask, run_json: RunJSON) -> None:
    """One event that fails is reported with exit status 1."""
    outcome = run_json(dead, "retry", "--event", "3", status=1)
    assert [event["id"] for event in outcome["failures"]] == [3]


def test_event_that_is_done(durable: Flask, post: Post, run: RunCommand, tickets: Tickets) -> None:
    """An event that is done is not handled again."""
    post(durable)
    result = run(durable, "retry", "--event", "1")
    assert (result.exit_code, "Event 1 is already done" in result.stderr) == (0, True)
    assert len(tickets.calls) == 1


def test_event_that_is_not_there(durable: Flask, run: RunCommand) -> None:
    """An event that is not there is an error."""
    result = run(durable, "retry", "--event", "4")
    assert (result.exit_code, "has no event 4." in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("conditions", "revived"),
    [
        (("--status", "queued"), ["M1", "M2", "M3"]),
        (("--status", "READ"), []),
        (("--campaign", "none"), []),
        (("--account", "11011399037"), ["M1", "M2", "M3"]),
        (("--account", "7"), []),
        (("--handler", "tickets"), ["M1", "M2", "M3"]),
        (("--handler", "other"), []),
        (("--error", "NO TICKETS", "--since", "1h"), ["M1", "M2", "M3"]),
        (("--error", "timeout"), []),
        (("--until", "2020-01-01"), []),
    ],
    ids=lambda value: " ".join(value),
)
def test_dead_ones_that_meet_every_condition(
    dead: Flask, run: RunCommand, tickets: Tickets, conditions: tuple[str, ...], revived: list[str]
) -> None:
    """Only dead events that meet the conditions are revived."""
    tickets.error = None
    expect_of(dead, "7")
    assert run(dead, "retry", "--dead", *conditions).exit_code == 0
    assert tickets.calls == revived
    assert sorted(key for key, state in states(dead).items() if state == "done") == revived


def test_pending_ones_that_meet_a_condition(
    deferred: Flask, post: Post, run: RunCommand, tickets: Tickets
) -> None:
    """With a condition, pending events that meet it are attempted now, due or not."""
    for message_id in ("M1", "M2"):
        post(deferred, data__message_id=message_id)
    tickets.error = ValueError("a time-out")
    assert run(deferred, "retry").exit_code == 1
    tickets.error = None
    tickets.calls.clear()
    assert run(deferred, "retry", "--error", "disk full").stdout == "Nothing to do.\n"
    result = run(deferred, "retry", "--error", "time-out")
    assert (result.exit_code, result.stdout) == (0, "2 accepted.\n")
    assert tickets.calls == ["M1", "M2"]


@pytest.mark.parametrize("other", ["--follow", "--event=1"])
def test_conditions_go_with_a_single_run(dead: Flask, run: RunCommand, other: str) -> None:
    """--follow and --event cannot be combined with conditions."""
    result = run(dead, "retry", other, "--status", "READ")
    assert (result.exit_code, "cannot be combined" in result.output) == (2, True)
