"""Plays Freshdesk's five sample payloads and two unusable bodies through the quickstart and a
crash."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from .server import EXAMPLES, OUTPUT, PATH, TOKEN, Answer, gunicorn, request

PAYLOADS = EXAMPLES.parent / "tests" / "payloads"


class Step(NamedTuple):
    """One request, with the expected answer and handlers' output.

    :param answer: what the answer's body contains.
    """

    title: str
    body: bytes
    token: str
    status: int
    answer: str
    printed: str = ""


def play(folder: Path) -> int:
    """Post the samples, kill and restart the server; return the number of unexpected results."""
    settings = {"FLASK_FD_WHATSAPP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}"}
    quickstart = ("app:app", EXAMPLES / "quickstart", folder, settings)
    (folder / OUTPUT).touch()
    with (folder / OUTPUT).open() as printed:
        with gunicorn(*quickstart, is_killed=True) as port:
            print(f"Quickstart at http://127.0.0.1:{port}{PATH}, its ledger in SQLite")
            mistakes = _run(port, steps(), printed)
        with gunicorn(*quickstart) as port:
            print(f"\nKilled, and started again at http://127.0.0.1:{port}{PATH}")
            mistakes += _run(port, [step_after_crash()], printed)
    return mistakes


def steps() -> Iterator[Step]:
    """What is posted, in order."""
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
    """What is posted to a server that has been killed and started again."""
    return Step("the sample READ once more", _sample("read"), TOKEN, 200, "duplicate")


def _sample(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def _run(port: int, steps: Iterable[Step], printed: TextIO) -> int:
    """Post each step; return the number of unexpected results."""
    mistakes = 0
    for step in steps:
        headers = {"Authorization": step.token, "Content-Type": "application/json"}
        print(f"\nPOST {step.title}", flush=True)  # before the server logs it
        answer = request(port, "POST", PATH, step.body, headers)
        mistakes += not _show(step, answer, printed.read())
    return mistakes


def _show(step: Step, answer: Answer, printed: str) -> bool:
    """Show the result; return whether it is as expected."""
    for line in printed.splitlines():
        print(f"  handler  {line}")
    print(f"  answer   {answer.status} {answer.body}")
    if (answer.status, printed) == (step.status, step.printed) and step.answer in answer.body:
        return True
    print(f"  EXPECTED {step.status} {step.answer} and from the handlers {step.printed!r}")
    return False
