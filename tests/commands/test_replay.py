"""``flask fd-whatsapp replay``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from threading import Event, current_thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import (
    handler_name,
    message_read,
    message_sent,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.commands import replay_lease
from flask_fd_whatsapp.commands.graceful_shutdown import Stop

from ..answers import make_due
from ..concurrency.threads import TIMEOUT
from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, Tickets, expect_of, ledger_of, states

ALL = [("M1", "READ"), ("M1", "SENT"), ("M2", "SENT"), ("M3", "PLAYED")]


@pytest.fixture
def past(durable: Flask, post: Post) -> Flask:
    """An application with past events: READ before SENT of M1, SENT of M2, another of M3."""
    for message_id, status in ALL:
        post(durable, "sent", data__message_id=message_id, data__status=status)
    return durable


class Late:
    """A handler that is connected after the events."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.after: Callable[[], None] = lambda: None

    def __call__(self, app: Flask, event: Any) -> None:
        self.calls.append((event.message_id, str(event.status)))
        if event.message_id in self.failing:
            raise ValueError("no tickets")
        self.after()


@pytest.fixture
def late() -> Late:
    """A handler called ``late``, not yet connected."""
    return handler_name("late")(Late())


@pytest.mark.parametrize(
    ("signal_", "calls"),
    [
        (status_received, ALL),
        (status_changed, [ALL[0], ALL[2]]),
        (message_sent, [ALL[1], ALL[2]]),
        (message_read, [ALL[0]]),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_catches_up(past: Flask, late: Late, run_json: RunJSON, signal_: Any, calls: Any) -> None:
    """A new handler is called with the past events of its signal, oldest first."""
    signal_.connect(late)
    outcome = run_json(past, "replay", "--handler", "late", "--yes")
    assert late.calls == calls
    assert outcome["events"] == len(calls)
    assert outcome["results"] == {"succeeded": len(calls)}


def test_replay_takes_more_than_a_batch(
    past: Flask, late: Late, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More events than are read at once are all replayed, each once."""
    monkeypatch.setattr(import_module("flask_fd_whatsapp.commands.replay"), "BATCH", 1)
    status_received.connect(late)
    assert run(past, "replay", "--handler", "late", "--yes").stdout == "4 succeeded.\n"
    assert late.calls == ALL


def test_an_interrupted_replay_goes_on_where_it_stopped(
    past: Flask, late: Late, run: RunCommand, run_json: RunJSON
) -> None:
    """It is not called again where it succeeded, only where it failed."""
    status_received.connect(late)
    late.failing = {"M2"}
    result = run(past, "replay", "--handler", "late", "--yes")
    assert (result.exit_code, result.stdout) == (1, "3 succeeded, 1 failed.\n")
    late.calls.clear()
    late.failing = set()
    outcome = run_json(past, "replay", "--handler", "late", "--yes")
    assert outcome["results"] == {"succeeded": 1}
    assert late.calls == [("M2", "SENT")]
    assert {event.state.value for event in ledger_of(past).events()} == {"done"}


def test_only_the_named_handler_is_called(
    past: Flask, late: Late, tickets: Tickets, run: RunCommand
) -> None:
    """No handler but the one that is named is called."""
    status_received.connect(late)
    assert run(past, "replay", "--handler", "late", "--yes").exit_code == 0
    assert (len(late.calls), tickets.calls) == (4, [])


@pytest.mark.parametrize(("answer", "calls"), [("y\n", 4), ("n\n", 0), ("", 0)])
def test_replay_asks_before_it_calls(
    past: Flask, late: Late, run: RunCommand, answer: str, calls: int
) -> None:
    """It shows how many events there are and asks for confirmation before calling anything."""
    status_received.connect(late)
    result = run(past, "replay", "--handler", "late", input=answer)
    assert "4 events for late to be called with, received from 20" in result.stderr
    assert len(late.calls) == calls
    assert result.exit_code == (0 if calls else 1)


def test_a_dry_run_counts_and_calls_nothing(
    past: Flask, late: Late, run: RunCommand, run_json: RunJSON
) -> None:
    """A dry run shows how many there are, without asking or calling."""
    status_received.connect(late)
    result = run(past, "replay", "--handler", "late", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("4 events for late to be called with, received from 20")
    outcome = run_json(past, "replay", "--handler", "late", "--dry-run")
    assert (outcome["events"], outcome["results"], late.calls) == (4, {}, [])


def test_counts_what_it_would_call(
    durable: Flask, post: Post, late: Late, run_json: RunJSON
) -> None:
    """It counts the events to call the handler with: not those where it succeeded, and for
    status_changed not those that their message has moved past.
    """
    for message_id, status in (("M1", "SENT"), ("M1", "READ"), ("M2", "SENT")):
        post(durable, "sent", data__message_id=message_id, data__status=status)
    status_changed.connect(late)

    def count() -> int:
        found: int = run_json(durable, "replay", "--handler", "late", "--dry-run")["events"]
        return found

    assert count() == 2
    late.failing = {"M1"}
    run_json(durable, "replay", "--handler", "late", "--yes", status=1)
    assert (late.calls, count()) == ([("M1", "READ"), ("M2", "SENT")], 1)
    late.failing = set()
    run_json(durable, "replay", "--handler", "late", "--yes")
    assert count() == 0


@pytest.mark.parametrize(
    ("interval", "count"),
    [
        (("--since", "1h"), 4),
        (("--since", "0s"), 0),
        (("--until", "1h"), 0),
        (("--until", "0s"), 4),
    ],
)
def test_replay_of_an_interval(
    past: Flask, late: Late, run_json: RunJSON, interval: tuple[str, ...], count: int
) -> None:
    """Only events received in the interval are replayed."""
    status_received.connect(late)
    assert run_json(past, "replay", "--handler", "late", "--yes", *interval)["events"] == count
    assert len(late.calls) == count


def test_replay_leaves_what_is_pending(
    make_durable: MakeApp, post: Post, late: Late, tickets: Tickets, run_json: RunJSON
) -> None:
    """Pending events are left to retry; dead ones are replayed and stay dead."""
    app = make_durable(MAX_ATTEMPTS=2)
    tickets.error = ValueError("no tickets")
    for message_id in ("dead", "dead", "pending"):
        post(app, data__message_id=message_id)
        make_due(app)
    status_received.connect(late)
    outcome = run_json(app, "replay", "--handler", "late", "--yes")
    assert (outcome["events"], late.calls) == (1, [("dead", "QUEUED")])
    assert states(app) == {"dead": "dead", "pending": "pending"}


def test_nothing_to_replay(durable: Flask, late: Late, run: RunCommand) -> None:
    """Without past events it asks nothing."""
    status_received.connect(late)
    result = run(durable, "replay", "--handler", "late")
    assert (result.exit_code, result.stdout) == (
        0,
        "There is no past event left to call late with.\n",
    )


def test_unknown_handler_lists_those_connected(
    past: Flask, late: Late, tickets: Tickets, run: RunCommand
) -> None:
    """An unknown handler is an error that lists the connected ones."""
    status_changed.connect(late)
    result = run(past, "replay", "--handler", "lat", "--yes")
    assert result.exit_code == 2
    assert "no handler 'lat'. Connected are:\n  late\n  tickets\n" in result.stderr


def test_stopped_replay_can_go_on(
    past: Flask, late: Late, run: RunCommand, run_json: RunJSON
) -> None:
    """On SIGTERM it stops after the current event, and can be continued."""
    status_received.connect(late)
    late.after = lambda: os.kill(os.getpid(), signal.SIGTERM)
    result = run(past, "replay", "--handler", "late", "--yes")
    assert (result.exit_code, result.stdout) == (1, "1 succeeded.\n")
    assert "Stopped before the end" in result.stderr
    late.after = lambda: None
    outcome = run_json(past, "replay", "--handler", "late", "--yes")
    assert outcome["results"] == {"succeeded": 3}


def test_handler_that_exits_leaves_the_replay_as_it_was(
    past: Flask, late: Late, run: RunCommand
) -> None:
    """A handler that exits the process does not undo what was done."""
    status_received.connect(late)
    late.after = _exit
    result = run(past, "replay", "--handler", "late", "--yes")
    assert (result.exit_code, late.calls) == (7, [("M1", "READ")])
    assert {event.state.value for event in ledger_of(past).events()} == {"done"}


def _exit() -> None:
    raise SystemExit(7)


def test_once_at_a_time(past: Flask, late: Late, run: RunCommand, run_json: RunJSON) -> None:
    """While one process replays a handler, others are refused, as long as it lives."""
    status_received.connect(late)
    holder = {"receiver": "fd_whatsapp", "handler": "late", "token": "t"}
    ledger = ledger_of(past)
    assert ledger.replays.hold(**holder, seconds=3600) is None
    result = run(past, "replay", "--handler", "late", "--yes")
    assert (result.exit_code, late.calls) == (1, [])
    assert "late is being replayed by another process" in result.stderr
    assert "can be replayed again from 20" in result.stderr
    assert run_json(past, "replay", "--handler", "late", "--dry-run")["events"] == 4
    assert ledger.replays.hold(**holder, seconds=0) is None  # as if it had died long ago
    assert run_json(past, "replay", "--handler", "late", "--yes")["results"] == {"succeeded": 4}


def test_gives_its_turn_back(past: Flask, late: Late, run_json: RunJSON) -> None:
    """A replay that has ended, in whatever way, does not block the next one."""
    status_received.connect(late)
    late.failing = {"M1"}
    run_json(past, "replay", "--handler", "late", "--yes", status=1)
    late.failing = set()
    assert run_json(past, "replay", "--handler", "late", "--yes")["results"] == {"succeeded": 2}


def test_lost_replay_ends_after_its_event(
    past: Flask, late: Late, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay suspended for so long that another has begun stops after its event."""
    monkeypatch.setattr("flask_fd_whatsapp.commands.replay_lease.RENEW_SECONDS", 0.01)
    status_received.connect(late)
    ledger = ledger_of(past)
    is_lost = Event()

    def taken(**_: Any) -> datetime | None:
        if not late.calls:
            return None
        is_lost.set()
        return datetime.now(UTC)

    monkeypatch.setattr(ledger.replays, "hold", taken)
    renewing = [thread for thread in enumerate_threads() if thread.name == "fd-whatsapp-replay"]
    assert renewing == []

    def wait() -> None:
        assert is_lost.wait(30)
        for thread in enumerate_threads():
            if thread.name == "fd-whatsapp-replay":
                thread.join(30)

    late.after = wait
    result = run(past, "replay", "--handler", "late", "--yes")
    assert (result.exit_code, len(late.calls)) == (1, 1)
    assert "Another process has begun to replay this handler." in result.stderr


def test_replay_waits_before_each_event(
    past: Flask, late: Late, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate it waits before each event but the first."""
    waited: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda _, seconds: waited.append(seconds))
    status_received.connect(late)
    result = run(past, "replay", "--handler", "late", "--yes", "--rate", "0.001")
    assert result.stdout == "4 succeeded.\n"
    assert waited[0] == 0
    assert all(seconds >= 900 * number for number, seconds in enumerate(waited))
    assert len(waited) == 4
    assert run(past, "replay", "--handler", "late", "--rate", "0").exit_code == 2


def test_new_events_are_left(
    past: Flask, late: Late, post: Post, run_json: RunJSON, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that arrive during the replay are not part of it."""
    monkeypatch.setattr(import_module("flask_fd_whatsapp.commands.replay"), "BATCH", 1)
    status_received.connect(late)

    def disconnect_and_post() -> None:
        late.after = lambda: None
        status_received.disconnect(late)
        post(past, "sent", data__message_id="new")
        status_received.connect(late)

    late.after = disconnect_and_post
    outcome = run_json(past, "replay", "--handler", "late", "--yes")
    assert (outcome["events"], outcome["results"]) == (4, {"succeeded": 4})
    assert late.calls == ALL


def test_renewed_while_it_ends(
    past: Flask, late: Late, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal in progress when a replay ends does not block the next replay."""
    status_received.connect(late)
    ledger = ledger_of(past)
    hold, end = ledger.replays.hold, ledger.replays.end
    begun, ended = Event(), Event()

    def hold_late(**arguments: Any) -> Any:
        if current_thread().name != "fd-whatsapp-replay":
            return hold(**arguments)
        begun.set()
        ended.wait(0.2)  # arrives now if nothing makes the end wait for it
        return hold(**arguments)

    def end_soon(**arguments: Any) -> None:
        end(**arguments)
        ended.set()

    late.after = lambda: begun.wait(TIMEOUT) and None
    with monkeypatch.context() as patched:
        patched.setattr(replay_lease, "RENEW_SECONDS", 0.001)
        patched.setattr(ledger.replays, "hold", hold_late)
        patched.setattr(ledger.replays, "end", end_soon)
        assert run(past, "replay", "--handler", "late", "--yes").exit_code == 0
    result = run(past, "replay", "--handler", "late", "--yes")
    assert "another process" not in result.stderr
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("conditions", "calls"),
    [
        (("--status", "sent"), [ALL[1], ALL[2]]),
        (("--account", "11011399037"), ALL),
        (("--account", "7"), []),
        (("--campaign", "none"), []),
        (("--error", "timeout"), []),
    ],
    ids=["status", "account", "other account", "campaign", "error"],
)
def test_replays_what_meets_every_condition(
    past: Flask,
    late: Late,
    run: RunCommand,
    conditions: tuple[str, ...],
    calls: list[tuple[str, str]],
) -> None:
    """Only past events that meet the conditions are replayed."""
    status_received.connect(late)
    expect_of(past, "7")
    assert run(past, "replay", "--handler", "late", "--yes", *conditions).exit_code == 0
    assert late.calls == calls
