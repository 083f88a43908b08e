"""How commands print."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent, status_received
from flask_fd_whatsapp.commands.output import plain, print_json, span, when

from ..conftest import MakeApp
from .conftest import RunJSON


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9\u20ac\U0001f600", "plain \u00e9\u20ac\U0001f600"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\nb\x00", "a\\nb\\u0000"),
        ("\ud800 \u202e \x9b", "\\ud800 \\u202e \\u009b"),
    ],
)
def test_text_cannot_steer_a_terminal(text: str, shown: str) -> None:
    """Text that could control a terminal, or cannot be encoded, is shown with escapes."""
    assert plain(text) == shown
    shown.encode()


@pytest.mark.parametrize(
    "text", ["\x1b[31m", "\ud800", "\x9b\u202e", 'line\n"quoted"', "\U000e0001"]
)
def test_json_cannot_steer_a_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON round-trips, and contains nothing that could control a terminal."""
    print_json({"text": text})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": text}
    assert plain(printed.replace("\n", "")) == printed.replace("\n", "")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            datetime(2025, 11, 18, 10, 0, tzinfo=timezone(timedelta(hours=1))),
            "2025-11-18T09:00:00Z",
        ),
        (timedelta(seconds=90), 90.0),
        (frozenset(), "frozenset()"),
    ],
)
def test_json_of_others(value: Any, shown: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Times are ISO 8601 in UTC, lengths of time seconds."""
    print_json(value)
    assert json.loads(capsys.readouterr().out) == shown


def test_times_are_shown_in_utc() -> None:
    """A time is shown in UTC, and a dash where there is none."""
    assert when(datetime(2025, 11, 18, 9, 26, 43, 919999, tzinfo=UTC)) == "2025-11-18 09:26:43.919Z"
    assert when(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0s"),
        (0.2, "0s"),
        (59, "59s"),
        (60, "1m"),
        (7500, "2h5m"),
        (86405, "1d"),
        (90 * 86400 + 7200, "90d2h"),
    ],
)
def test_spans_are_shown_by_two_units(seconds: float, shown: str) -> None:
    """A length of time is shown by its two largest units."""
    assert span(timedelta(seconds=seconds)) == shown


def test_json_alone(make_app: MakeApp, tmp_path: Path, run_json: RunJSON) -> None:
    """With --json, a handler's output does not disturb a program that reads it."""
    app = make_app(LEDGER_URL=f"sqlite:///{tmp_path}/ledger.db")

    @status_received.connect_via(app)
    def show(app: Flask, event: StatusEvent) -> None:
        print(event.status)

    shown = run_json(app, "simulate", "--messages", "2")
    assert shown["disagreements"] == []
