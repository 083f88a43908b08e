"""Adding a status takes a line in ``events``, and one in ``signals``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flask_fd_whatsapp

PACKAGE = Path(flask_fd_whatsapp.__file__).parent

ADDED = {
    "events.py": ('    READ = "READ", 4\n', '    PLAYED = "PLAYED", 5\n'),
    "signals.py": (
        'message_read: Final = _message(Status.READ, "The recipient opened the message.")\n',
        'message_played: Final = _message(Status.PLAYED, "The recipient heard the message.")\n',
    ),
}
"""By module: after which line another one is added."""

HOST = """
import os, sys
from datetime import UTC, datetime
from flask import Flask
from flask_fd_whatsapp import FreshdeskWhatsApp, Status, current_ledger
from flask_fd_whatsapp.signals import EVENT_SIGNALS

app = Flask("host", instance_path=os.getcwd())
app.testing = True
app.config["FD_WHATSAPP_ALLOW_UNAUTHENTICATED"] = True
app.config["FD_WHATSAPP_LEDGER_URL"] = sys.argv.pop(1)
app.register_blueprint(FreshdeskWhatsApp())
seen = []

def note(name):
    def handler(sender, event):
        seen.append((name, event.status, event.rank, event.previous_status, event.is_stale))
    return handler

handlers = [note(signal.name) for signal in EVENT_SIGNALS]
for signal, handler in zip(EVENT_SIGNALS, handlers):
    signal.connect(handler)

def post(status):
    del seen[:]
    answer = app.test_client().post("/freshdesk/whatsapp", json={
        "account_id": "1",
        "event_type": "outbound_message_event",
        "data": {"message_id": "M1", "status": status, "timestamp": "2025-11-18T07:28:21Z"},
    })
    assert answer.json == {"result": "accepted"}, answer.json
    return list(seen)

post("READ")
played = post("played")
late = post("DELIVERED")
with app.app_context():
    message = current_ledger.message("M1")
    counts = current_ledger.counts()
assert played == [
    (name, Status.PLAYED, 5, "READ", False)
    for name in sys.argv[1:]
], played
assert [(name, stale) for name, *_, stale in late] == [
    ("message_delivered", True), ("status_received", True)
], late
assert message.status is Status.PLAYED, message
assert message.times["PLAYED"] == datetime(2025, 11, 18, 7, 28, 21, tzinfo=UTC), message
assert counts == {"QUEUED": 0, "SENT": 0, "DELIVERED": 0, "READ": 0, "PLAYED": 1, "FAILED": 0}
"""


def check(folder: Path, *modules: str, signals: tuple[str, ...], url: str = "memory://") -> None:
    """Add the status in *modules* of a copy, and expect the *signals* of an event that has it."""
    copy = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in modules:
        before, added = ADDED[name]
        text = (copy / name).read_text()
        assert text.count(before) == 1
        (copy / name).write_text(text.replace(before, before + added))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HOST, url, *signals],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("url", ["memory://", "sqlite:///ledger.db"])
def test_a_status_is_added_in_two_lines(tmp_path: Path, url: str) -> None:
    """With rank and signal a new status works throughout: schema, ledger, handlers."""
    check(
        tmp_path,
        "events.py",
        "signals.py",
        signals=("message_played", "status_changed", "status_received"),
        url=url,
    )


def test_a_status_without_a_signal_of_its_own_breaks_nothing(tmp_path: Path) -> None:
    """Without a signal, a message still moves forward with it."""
    check(tmp_path, "events.py", signals=("status_changed", "status_received"))
