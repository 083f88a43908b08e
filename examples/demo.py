"""Starts the quickstart under gunicorn, posts to it as Freshdesk does, and shows what happens.

Ends with exit status 0 if everything was as expected, else with 1.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PAYLOADS = HERE.parent / "tests" / "payloads"
TOKEN = "Bearer s3cret"
PATH = "/freshdesk/whatsapp"
TIMEOUT = 60


class Step(NamedTuple):
    """One request, with the answer and the handlers' output that are expected of it."""

    title: str
    body: bytes
    token: str
    status: int
    printed: str = ""


def steps() -> Iterator[Step]:
    """What the demonstration posts, in order."""
    moves = {
        "queued": "MM-T1-00001: new -> QUEUED\n",
        "sent": "MM-T1-00001: QUEUED -> SENT\n",
        "delivered": "MM-T1-00001: SENT -> DELIVERED\n",
        "read": "MM-T1-00001: DELIVERED -> READ\n",
        "failed": "MM-T1-00001: FAILED came after READ: it arrived, nothing to do\n",
    }
    for name, printed in moves.items():
        yield Step(f"the sample {name.upper()}", _sample(name), TOKEN, 200, printed)
    yield Step("a wrong token", _sample("queued"), "Bearer guessed", 401)
    invalid = json.loads(_sample("queued"))
    del invalid["data"]["status"]
    yield Step("an event without a status", json.dumps(invalid).encode(), TOKEN, 422)


def _sample(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


@contextmanager
def gunicorn(output: Path) -> Iterator[int]:
    """The quickstart under gunicorn, with its handlers' output in *output*; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # The socket is listening already and handed over: no port is guessed, nothing waited for.
        port = int(listening.getsockname()[1])
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "gunicorn", "--threads", "4"]
        command += ["--bind", f"fd://{descriptor}", "--log-level", "warning"]
        with output.open("wb") as stdout:
            process = subprocess.Popen(
                [*command, "app:app"],
                cwd=HERE / "quickstart",
                stdout=stdout,
                pass_fds=[descriptor],
                env=os.environ | {"XDG_RUNTIME_DIR": str(output.parent)},  # for its control socket
            )
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def post(port: int, step: Step) -> tuple[int, str]:
    """Status and body of the answer to *step*."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    headers = {"Authorization": step.token, "Content-Type": "application/json"}
    try:
        connection.request("POST", PATH, step.body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    finally:
        connection.close()


def main() -> int:
    """Run the steps and show each; the exit status."""
    mistakes = 0
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        with gunicorn(output) as port, output.open() as printed:
            print(f"Quickstart at http://127.0.0.1:{port}{PATH}")
            for step in steps():
                mistakes += not _show(step, *post(port, step), printed.read())
    print(f"\n{mistakes} not as expected" if mistakes else "\nAll as expected.")
    return 1 if mistakes else 0


def _show(step: Step, status: int, answer: str, printed: str) -> bool:
    """Show what happened; whether it is what was expected."""
    print(f"\nPOST {step.title}")
    for line in printed.splitlines():
        print(f"  handler  {line}")
    print(f"  answer   {status} {answer}")
    if (status, printed) == (step.status, step.printed):
        return True
    print(f"  EXPECTED {step.status} and from the handlers {step.printed!r}")
    return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, HTTPException) as error:
        sys.exit(f"The demonstration broke off: {error}")  # exit status 1
