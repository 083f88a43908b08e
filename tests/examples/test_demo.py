"""``make demo``: samples through the quickstart, and a campaign through the tickets example."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.demo.tickets import mistakes
from flask_fd_whatsapp.simulator import FreshdeskSimulator, SimulatedMessage

pytest.importorskip("gunicorn")

ROOT = Path(__file__).parents[2]
TIMEOUT = 120


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The parts of the repository that the demonstration needs, where they can be broken."""
    clone = tmp_path / "clone"
    for folder in ("examples/demo", "examples/quickstart", "examples/tickets", "tests/payloads"):
        shutil.copytree(ROOT / folder, clone / folder)
    return clone


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the demonstration puts its files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return scratch


@contextmanager
def started(clone: Path, scratch: Path) -> Generator[subprocess.Popen[str]]:
    """The running demonstration, which has to end by itself."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.demo"],
        cwd=clone,
        env={**os.environ, "HOME": "/nonexistent", "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def ended(process: subprocess.Popen[str], begun: str = "") -> subprocess.CompletedProcess[str]:
    """The outcome; *begun* is the output read so far."""
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    return subprocess.CompletedProcess([], process.returncode, begun + stdout, stderr)


def run(clone: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    with started(clone, scratch) as process:
        return ended(process)


def assert_nothing_left(output: str, servers: int, scratch: Path) -> None:
    """No server that it started is still running, and no file is left."""
    ports = re.findall(r" at http://127\.0\.0\.1:(\d+)/", output)
    assert len(ports) == servers
    for port in ports:
        with socket.socket() as connection:
            assert connection.connect_ex(("127.0.0.1", int(port))) != 0
    assert list(scratch.iterdir()) == []


def replace(path: Path, old: str, new: str) -> None:
    source = path.read_text()
    assert source.count(old) == 1
    path.write_text(source.replace(old, new))


@pytest.mark.slow
def test_demo_handles_everything_once(clone: Path, scratch: Path) -> None:
    """Samples and campaign are handled once, despite a crash, and nothing is left behind."""
    done = run(clone, scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [line.split()[1] for line in done.stdout.splitlines() if "  answer " in line]
    assert answers == ["200"] * 5 + ["401", "200", "200"]
    assert done.stdout.count('"accepted"') == 5
    assert done.stdout.count('"quarantined"') == 1
    assert done.stdout.count('"duplicate"') == 1
    assert done.stdout.count("  handler ") == 5
    assert re.search(r"  Messages sent +200\n", done.stdout)
    assert re.search(r"  Copies of events +[1-9]", done.stdout)
    assert re.search(r"  Retried +[1-9]", done.stdout)
    assert re.search(r"  Withheld while disabled +[1-9]", done.stdout)
    assert re.search(r"Asked about \d+ messages: 100 changed", done.stdout)
    for status in ("READ", "DELIVERED", "FAILED"):
        assert re.search(rf"[1-9]\d* tickets are {status}, such as spring-", done.stdout)
    assert "Ledger and tickets agree with the simulator on all 200 messages." in done.stdout
    assert done.stdout.endswith("All as expected.\n")
    assert_nothing_left(done.stdout, 3, scratch)


BROKEN = {
    "token": ("s3cret", "s3cret2", 7),
    "handler": ('event.previous_status or "new"', "1 / 0", 5),
    "output": ("if event.is_stale:", "if False:", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "mistakes"), BROKEN.values(), ids=BROKEN)
def test_samples_not_as_expected(
    clone: Path, scratch: Path, old: str, new: str, mistakes: int
) -> None:
    """An unexpected answer or handler output ends it with exit 1."""
    replace(clone / "examples/quickstart/app.py", old, new)
    replace(clone / "examples/demo/__main__.py", " + campaign.play(folder)", "")
    done = run(clone, scratch)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("  EXPECTED ") == mistakes
    assert done.stdout.endswith(f"{mistakes} not as expected: see EXPECTED.\n")
    assert_nothing_left(done.stdout, 2, scratch)


@pytest.mark.slow
def test_campaign_not_as_expected(clone: Path, scratch: Path) -> None:
    """A ledger or ticket that differs from the simulator ends it with exit 1."""
    replace(
        clone / "examples/tickets/__init__.py",
        "db.init_app(app)",
        'app.config["FD_WHATSAPP_ACCOUNT_IDS"] = ["1"]; db.init_app(app)',
    )
    replace(clone / "examples/demo/__main__.py", "samples.play(folder) + ", "")
    replace(clone / "examples/demo/campaign.py", "MESSAGES = 200", "MESSAGES = 2")
    done = run(clone, scratch)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "copies acknowledged, not 0\n" in done.stdout
    assert "EXPECTED in the ledger, of spring-00001: QUEUED is missing: given up" in done.stdout
    assert "EXPECTED ticket spring-00001 FAILED, not None\n" in done.stdout
    assert "not as expected: see EXPECTED.\n" in done.stdout
    assert_nothing_left(done.stdout, 1, scratch)


@pytest.mark.parametrize("file", ["quickstart/app.py", "tickets/views.py"])
def test_does_not_start(clone: Path, scratch: Path, file: str) -> None:
    """An application that does not start ends it with exit 1 and its traceback."""
    path = clone / "examples" / file
    path.write_text(f"{path.read_text()}\nraise RuntimeError('broken')\n")
    done = run(clone, scratch)
    assert done.returncode == 1
    assert "RuntimeError: broken" in done.stderr
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "number", "servers"),
    [
        ("Quickstart at", signal.SIGHUP, 1),
        ("Tickets at", signal.SIGTERM, 3),
        ("200 messages sent", signal.SIGINT, 3),
    ],
)
def test_interrupted_demo_leaves_nothing(
    clone: Path, scratch: Path, line: str, number: signal.Signals, servers: int
) -> None:
    """Ctrl-C, or closing the terminal, ends it at any point, and nothing is left behind."""
    begun = ""
    with started(clone, scratch) as process:
        assert process.stdout is not None
        for printed in process.stdout:
            begun += printed
            if line in printed:
                break
        process.send_signal(number)
        done = ended(process, begun)
    assert done.returncode == 130, done.stdout + done.stderr
    assert "Interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert "All as expected" not in done.stdout
    assert_nothing_left(done.stdout, servers, scratch)


def perfect(messages: Iterable[SimulatedMessage]) -> dict[SimulatedMessage, dict[str, Any]]:
    """The tickets of messages as they should be."""
    return {
        message: {
            "status": message.final_status,
            "is_open": message.final_status == "FAILED",
            "notes": [step.status for step in message.steps],
        }
        for message in messages
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"status": "SENT"}, "READ, not SENT"),
        ({"is_open": True}, "closed, since its message is READ"),
        ({"notes": ["one"] * 5}, "with 4 notes, not ['one', "),
    ],
)
def test_wrong_tickets_are_told(changes: dict[str, Any], told: str | None) -> None:
    """A ticket with another status, wrongly open, or with a duplicate note is reported."""
    simulator = FreshdeskSimulator()
    tickets = perfect(simulator.send(f"T{number}") for number in range(20))
    for message in tickets:
        message.posts[0].tries = 1
    read = next(message for message in tickets if message.final_status == "READ")
    tickets[read] |= changes
    found = list(mistakes(tickets))
    assert len(found) == bool(told)
    assert all(text.startswith(f"ticket {read.external_reference_id} {told}") for text in found)
