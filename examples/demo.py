"""Starts the quickstart under gunicorn, posts to it as Freshdesk does, and shows what happens.

Its ledger is a SQLite file in a temporary folder, which outlives the server.  Ends with exit
status 0 if everything was as expected, else with 1.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple, TextIO

HERE = Path(__file__).resolve().parent
PAYLOADS = HERE.parent / "tests" / "payloads"
TOKEN = "Bearer s3cret"
PATH = "/freshdesk/whatsapp"
TIMEOUT = 60
OUTPUT = "output"


class Step(NamedTuple):
    """One request, with the answer and the handlers' output that are expected of it.

    :param answer: what the answer's body holds.
    """

    title: str
    body: bytes
    token: str
    status: int
    answer: str
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
        yield Step(f"the sample {name.upper()}", _sample(name), TOKEN, 200, "accepted", printed)
    yield Step("a wrong token", _sample("queued"), "Bearer guessed", 401, "Unauthorized")
    invalid = json.loads(_sample("queued"))
    del invalid["data"]["status"]
    yield Step("an event without a status", json.dumps(invalid).encode(), TOKEN, 200, "quarantined")


def step_after_crash() -> Step:
    """What it posts to a server that has been killed and started again."""
    return Step("the sample READ once more", _sample("read"), TOKEN, 200, "duplicate")


def _sample(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


@contextmanager
def gunicorn(folder: Path, *, is_killed: bool = False) -> Iterator[int]:
    """The quickstart under gunicorn; gives its port.

    :param folder: where its ledger goes, and its handlers' output.
    :param is_killed: whether it ends as in a crash.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # The socket is listening already and handed over: no port is guessed, nothing waited for.
        port = int(listening.getsockname()[1])
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4"]
        command += ["--bind", f"fd://{descriptor}", "--log-level", "warning"]
        settings = {
            "FLASK_FD_WHATSAPP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
            "XDG_RUNTIME_DIR": str(folder),  # for gunicorn's control socket
        }
        with (folder / OUTPUT).open("ab") as stdout:
            process = subprocess.Popen(
                [*command, "app:app"],
                cwd=HERE / "quickstart",
                stdout=stdout,
                pass_fds=[descriptor],
                env=os.environ | settings,
                start_new_session=True,  # a process group, which can be killed as a whole
            )
    try:
        yield port
    finally:
        if not is_killed:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(TIMEOUT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / OUTPUT).touch()
        with (folder / OUTPUT).open() as printed:
            with gunicorn(folder, is_killed=True) as port:
                print(f"Quickstart at http://127.0.0.1:{port}{PATH}, its ledger in SQLite")
                mistakes = _run(port, steps(), printed)
            with gunicorn(folder) as port:
                print(f"\nKilled, and started again at http://127.0.0.1:{port}{PATH}")
                mistakes += _run(port, [step_after_crash()], printed)
    print(f"\n{mistakes} not as expected" if mistakes else "\nAll as expected.")
    return 1 if mistakes else 0


def _run(port: int, steps: Iterable[Step], printed: TextIO) -> int:
    """Post each step; how many did not go as expected."""
    return sum(not _show(step, *post(port, step), printed.read()) for step in steps)


def _show(step: Step, status: int, answer: str, printed: str) -> bool:
    """Show what happened; whether it is what was expected."""
    print(f"\nPOST {step.title}")
    for line in printed.splitlines():
        print(f"  handler  {line}")
    print(f"  answer   {status} {answer}")
    if (status, printed) == (step.status, step.printed) and step.answer in answer:
        return True
    print(f"  EXPECTED {step.status} {step.answer} and from the handlers {step.printed!r}")
    return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, HTTPException) as error:
        sys.exit(f"The demonstration broke off: {error}")  # exit status 1
