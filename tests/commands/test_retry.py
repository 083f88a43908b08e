"""``flask fd-whatsapp retry``, without ``--follow``."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, RetryLater
from flask_fd_whatsapp.ledger.memory.memory_ledger import MemoryLedger
from flask_fd_whatsapp.receiving.receiver import Receiver
from flask_fd_whatsapp.receiving.resuming import resume

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of, make_due, states


def test_retry_handles_what_is_due(
    deferred: Flask, post: Post, run: RunCommand, tickets: Tickets
) -> None:
    """Due events are handled, longest due first, until there is nothing to do."""
    for message_id in ("M1", "M2", "M3"):
        post(deferred, data__message_id=message_id)
    assert tickets.calls == []
    result = run(deferred, "retry")
    assert (result.exit_code, result.stdout) == (0, "3 accepted.\n")
    assert tickets.calls == ["M1", "M2", "M3"]
    assert set(states(deferred).values()) == {"done"}
    assert run(deferred, "retry").stdout == "Nothing to do.\n"
    assert run(deferred, "retry", "--dead").stdout == "Nothing to do.\n"


def test_failing_handler_exits_with_1(
    deferred: Flask, post: Post, run: RunCommand, run_json: RunJSON, tickets: Tickets
) -> None:
    """A failing handler is reported with exit status 1; its event is retried when due."""
    for message_id in ("M1", "M2"):
        post(deferred, data__message_id=message_id)
    tickets.before = lambda: setattr(tickets, "error", ValueError("no tickets"))
    outcome = run_json(deferred, "retry", status=1)
    assert (outcome["results"], outcome["failed"]) == ({"unfinished": 2}, 2)
    assert [event["message_id"] for event in outcome["failures"]] == ["M1", "M2"]
    assert outcome["failures"][0]["last_error"] == "tickets: ValueError: no tickets"
    next_due = min(event["due_at"] for event in outcome["failures"])
    assert (outcome["pending"], outcome["next_due"]) == (2, next_due)
    printed = run(deferred, "retry").stdout
    assert printed.startswith("Nothing to do now: 2 events are pending, due from 20")
    assert f"{next_due[11:23]}Z or being handled.\n" in printed
    make_due(deferred)
    result = run(deferred, "retry")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "2 unfinished.")
    assert "is pending after 2 attempts, next attempt due" in result.stdout


def test_one_that_fails(deferred: Flask, post: Post, run: RunCommand, tickets: Tickets) -> None:
    """The failure of one event does not stop the others."""
    for message_id in ("M1", "M2", "M3"):
        post(deferred, data__message_id=message_id)
    errors = iter([None, ValueError("no tickets"), None])
    tickets.before = lambda: setattr(tickets, "error", next(errors))
    result = run(deferred, "retry")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "2 accepted, 1 unfinished.")
    assert states(deferred) == {"M1": "done", "M2": "pending", "M3": "done"}


def test_of_many_failures_the_first_are_shown(
    deferred: Flask, post: Post, run: RunCommand, tickets: Tickets
) -> None:
    """Of many failures the first are shown, with the number of the others."""
    for number in range(23):
        post(deferred, data__message_id=f"M{number}")
    tickets.error = ValueError("no tickets")
    lines = run(deferred, "retry").stdout.splitlines()
    assert (len(lines), lines[-2:]) == (22, ["... and 3 more that failed.", "23 unfinished."])


def test_retry_calls_later_once_a_run(
    deferred: Flask, post: Post, run_json: RunJSON, tickets: Tickets
) -> None:
    """A handler that postpones has not failed, and is called once per run."""
    post(deferred)
    tickets.error = RetryLater(0, "no stock yet")
    for _ in range(2):
        outcome = run_json(deferred, "retry")
        assert (outcome["results"], outcome["failed"]) == ({"postponed": 1}, 0)
        (event,) = outcome["postponed"]
        assert event["last_error"] == "tickets: RetryLater: no stock yet"
    assert event["postponed"] == 2
    assert len(tickets.calls) == 2


def test_events_of_unregistered_receivers_are_left_alone(
    deferred: Flask, post: Post, make_durable: MakeApp, run: RunCommand
) -> None:
    """The events of a receiver that is not registered here are left alone."""
    post(deferred)
    other = make_durable(FreshdeskWhatsApp("renamed"))
    assert run(other, "retry").stdout == "Nothing to do.\n"
    result = run(other, "retry", "--event", "1")
    assert result.exit_code == 1
    assert "received by fd_whatsapp" in result.stderr
    assert set(states(deferred).values()) == {"pending"}


def test_stopped_retry_leaves_the_rest_due(
    deferred: Flask, post: Post, run: RunCommand, tickets: Tickets
) -> None:
    """On SIGTERM it stops after the current event, and leaves the rest due."""
    for message_id in ("M1", "M2"):
        post(deferred, data__message_id=message_id)
    tickets.before = lambda: os.kill(os.getpid(), signal.SIGTERM)
    result = run(deferred, "retry")
    assert (result.exit_code, result.stdout) == (0, "Stopped. 1 accepted.\n")
    assert states(deferred) == {"M1": "done", "M2": "pending"}


def test_second_interrupt(deferred: Flask, post: Post, run: RunCommand, tickets: Tickets) -> None:
    """A second Ctrl-C does not wait for the handler; its event is left to the next run."""
    post(deferred, data__message_id="M1")

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    tickets.before = interrupt
    assert run(deferred, "retry").exit_code == 1
    assert (tickets.calls, states(deferred)) == (["M1"], {"M1": "pending"})
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_retry_goes_on_after_a_surprise(
    deferred: Flask, post: Post, run: RunCommand, tickets: Tickets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error on one event leaves it, and the others are handled."""
    for message_id in ("M1", "M2"):
        post(deferred, data__message_id=message_id)

    def break_on_the_first(receiver: Receiver, event_id: int) -> Any:
        if event_id == 1:
            raise ZeroDivisionError
        return resume(receiver, event_id)

    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.resume", break_on_the_first)
    monkeypatch.setattr("flask_fd_whatsapp.receiving.sweep.BATCH", 1)
    result = run(deferred, "retry")
    assert result.exit_code == 1
    assert result.stdout.endswith(": no handler failed\n1 unfinished, 1 accepted.\n")
    assert states(deferred) == {"M1": "pending", "M2": "done"}


@pytest.mark.parametrize(
    "arguments",
    [("--dead", "--follow"), ("--dead", "--event", "1"), ("--follow", "--event", "1")],
)
def test_retry_refuses_options_that_exclude_each_other(
    durable: Flask, run: RunCommand, arguments: tuple[str, ...]
) -> None:
    """Options that exclude each other are refused."""
    assert run(durable, "retry", *arguments).exit_code == 2


def test_retry_of_a_memory_ledger_says_so(
    app: Flask, run: RunCommand, post: Post, tickets: Tickets
) -> None:
    """With an in-memory ledger it works on its own process's, and says so."""
    tickets.error = ValueError("no tickets")
    post(app)
    tickets.error = None
    result = run(app, "retry", "--event", "1")
    assert (result.exit_code, result.stdout) == (0, "1 accepted.\n")
    assert "another process" in result.stderr
    assert isinstance(ledger_of(app), MemoryLedger)
