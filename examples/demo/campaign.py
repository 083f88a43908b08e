"""A campaign of 200 messages: the simulator plays Freshdesk, the tickets example is the host.

Half way through, the webhook is switched off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from flask_fd_whatsapp.simulator import FreshdeskSimulator, Report, Retries, disagreements

from ..tickets import create_app
from . import freshdesk, tickets
from .server import EXAMPLES, PATH, TIMEOUT, TOKEN, gunicorn

MESSAGES = 200
FAULTS = (
    "duplicates",
    "out-of-order",
    "skipped-delivered",
    "failed-then-delivered",
    "delivered-then-failed",
    "malformed-body",
    "wrong-token",
    "cut-before-answer",
    "cut-after-answer",
)
SHOWN = 10
HOST = "tickets:create_app()"


def play(folder: Path) -> int:
    """Play the campaign; return the number of unexpected results."""
    simulator = FreshdeskSimulator(
        faults=FAULTS, retries=Retries(timeout=20, at_least=0.5), allow_http=True
    )
    with ExitStack() as stack:
        api = stack.enter_context(freshdesk.serving(simulator))
        config = _config(folder, simulator, api)
        ledger = create_app(config).extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledger.upgrade()  # all tables exist before there are several processes
        settings = {f"FLASK_{key}": json.dumps(value) for key, value in config.items()}
        port = stack.enter_context(gunicorn(HOST, EXAMPLES, folder, settings))
        print(f"\nTickets at http://127.0.0.1:{port}{PATH}, their database is the ledger's")
        simulator.save(f"http://127.0.0.1:{port}{PATH}", {"Authorization": TOKEN})
        simulator.enable()
        _send(port, range(1, MESSAGES // 2 + 1))
        print(
            f"{MESSAGES // 2} messages sent, each has a ticket. Now a day passes in a second, with"
        )
        print(f"{', '.join(FAULTS)}.")
        simulator.run()
        simulator.disable()
        print("\nThe webhook is switched off, and the campaign goes on.")
        _send(port, range(MESSAGES // 2 + 1, MESSAGES + 1))
        print(
            f"{MESSAGES} messages sent. Another day passes, but of half of them nothing is heard."
        )
        report = simulator.run()
        print("So Freshdesk is asked: flask fd-whatsapp reconcile --stuck-for 0s", flush=True)
        could_ask = _reconcile(settings)
        found = {message: tickets.read(port, message) for message in simulator.messages.values()}
    print()
    for label, value in report.rows():
        print(f"  {label:25}{value}")
    tickets.show(found)
    disagreeing = (
        f"in the ledger, of {message.external_reference_id}: {problem}"
        for message, problem in disagreements(ledger, simulator.messages.values())
    )
    asked = [] if could_ask else ["an answer to reconcile"]
    return _tell([*_unsettled(report), *asked, *disagreeing, *tickets.mistakes(found)])


def _config(folder: Path, simulator: FreshdeskSimulator, api: str) -> dict[str, object]:
    return {
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'tickets.db'}",
        "FD_WHATSAPP_HEADERS": {"Authorization": TOKEN},
        "FD_WHATSAPP_ACCOUNT_IDS": [simulator.account.id],
        "FD_WHATSAPP_DOMAIN": api,
        "FD_WHATSAPP_API_KEY": freshdesk.API_KEY,
        "FD_WHATSAPP_SENDER": "+14155550100",
        "FD_WHATSAPP_CALLS_A_MINUTE": freshdesk.CALLS_A_MINUTE,
    }


def _send(port: int, numbers: range) -> None:
    for number in numbers:
        tickets.send(port, f"spring-{number:05d}")


def _reconcile(settings: Mapping[str, str]) -> bool:
    """Whether Freshdesk could be asked."""
    command = [sys.executable, "-m", "flask", "--app", HOST, "fd-whatsapp"]
    command += ["reconcile", "--stuck-for", "0s"]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=EXAMPLES, env=environment, timeout=TIMEOUT, check=False)
    return done.returncode == 0


def _unsettled(report: Report) -> Iterator[str]:
    expected = report.events + report.copies - report.withheld
    if report.acknowledged != expected:
        yield f"{expected} events and copies acknowledged, not {report.acknowledged}"


def _tell(mistakes: list[str]) -> int:
    if not mistakes:
        print(f"\nLedger and tickets agree with the simulator on all {MESSAGES} messages.")
    for mistake in mistakes[:SHOWN]:
        print(f"  EXPECTED {mistake}")
    if len(mistakes) > SHOWN:
        print(f"  and {len(mistakes) - SHOWN} more")
    return len(mistakes)
