"""``make demo``: the quickstart under gunicorn."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PAYLOADS = Path(__file__).parents[1] / "payloads"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the example and the samples, where they can be broken."""
    shutil.copytree(EXAMPLES / "quickstart", tmp_path / "examples" / "quickstart")
    shutil.copytree(PAYLOADS, tmp_path / "tests" / "payloads")
    shutil.copy(EXAMPLES / "demo.py", tmp_path / "examples")
    return tmp_path / "examples"


def run(examples: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, examples / "demo.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def is_listening(output: str) -> bool:
    """Whether one of the two servers is still there."""
    ports = re.findall(r"http://127\.0\.0\.1:(\d+)/", output)
    assert len(ports) == 2
    return any(is_open(int(port)) for port in ports)


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_demo() -> None:
    """Five samples are handled once, over a crash too, and nothing of the server stays behind."""
    done = run(EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [line.split()[1] for line in done.stdout.splitlines() if "  answer " in line]
    assert answers == ["200"] * 5 + ["401", "200", "200"]
    assert done.stdout.count('"accepted"') == 5
    assert done.stdout.count('"quarantined"') == 1
    assert done.stdout.count('"duplicate"') == 1
    assert done.stdout.count("  handler ") == 5
    assert done.stdout.endswith("All as expected.\n")
    assert not is_listening(done.stdout)


@pytest.mark.parametrize(
    ("old", "new", "mistakes"),
    [
        ("s3cret", "s3cret2", 7),
        ('before = event.previous_status or "new"', "raise ValueError", 5),
        ("if event.is_stale:", "if False:", 1),
    ],
)
def test_not_as_expected(copied: Path, old: str, new: str, mistakes: int) -> None:
    """An answer or a line of the handlers that is not as expected ends it with exit 1."""
    app = copied / "quickstart" / "app.py"
    source = app.read_text()
    assert old in source
    app.write_text(source.replace(old, new))
    done = run(copied)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("  EXPECTED ") == mistakes
    assert not is_listening(done.stdout)


def test_does_not_start(copied: Path) -> None:
    """An application that does not start ends it with exit 1 and its traceback."""
    (copied / "quickstart" / "app.py").write_text("raise RuntimeError('broken')")
    done = run(copied)
    assert done.returncode == 1
    assert "RuntimeError: broken" in done.stderr
    assert "The demonstration broke off" in done.stderr
