"""A campaign of 200 messages: the simulator plays Freshdesk, the tickets example is the host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from flask_fd_whatsapp.simulator import FreshdeskSimulator, Report, Retries, disagreements

from ..tickets import create_app
from . import tickets
from .server import EXAMPLES, PATH, TOKEN, gunicorn

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


def play(folder: Path) -> int:
    """Play the campaign; how much was not as expected."""
    database = f"sqlite:///{folder / 'tickets.db'}"
    headers = {"Authorization": TOKEN}
    here = create_app({"SQLALCHEMY_DATABASE_URI": database, "FD_WHATSAPP_HEADERS": headers})
    ledger = here.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.upgrade()  # all tables are there before there are several processes
    settings = {
        "FLASK_SQLALCHEMY_DATABASE_URI": database,
        "FLASK_FD_WHATSAPP_HEADERS": json.dumps(headers),
    }
    simulator = FreshdeskSimulator(
        faults=FAULTS, retries=Retries(timeout=20, at_least=0.5), allow_http=True
    )
    with gunicorn("tickets:create_app()", EXAMPLES, folder, settings) as port:
        print(f"\nTickets at http://127.0.0.1:{port}{PATH}, their database is the ledger's")
        simulator.save(f"http://127.0.0.1:{port}{PATH}", headers)
        simulator.enable()
        for number in range(1, MESSAGES + 1):
            tickets.make(port, simulator.send(f"spring-{number:05d}"))
        print(f"{MESSAGES} messages sent, each has a ticket. Now a day passes in a second, with")
        print(f"{', '.join(FAULTS)}.\n")
        report = simulator.run()
        found = {message: tickets.read(port, message) for message in simulator.messages.values()}
    for label, value in report.rows():
        print(f"  {label:25}{value}")
    tickets.show(found)
    disagreeing = (
        f"in the ledger, of {message.external_reference_id}: {problem}"
        for message, problem in disagreements(ledger, simulator.messages.values())
    )
    return _tell([*_unsettled(report), *disagreeing, *tickets.mistakes(found)])


def _unsettled(report: Report) -> Iterator[str]:
    expected = report.events + report.copies
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
