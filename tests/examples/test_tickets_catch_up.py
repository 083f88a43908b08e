"""Statuses that arrive while the host is storing the API's answer, with real processes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from examples.tickets import create_app
from examples.tickets.models import db

from ..conftest import TOKEN, URL, Payload
from ..ledger.databases import KINDS, fresh_database
from ..processes.server import Server, running
from ..processes.waiting import TIMEOUT, wait_until

pytest.importorskip("gunicorn")

MESSAGES = 6
GATES = ("before commit", "after commit", "after look")


class Host:
    """``examples/tickets``, served, that halts at one step of storing a message's id."""

    def __init__(self, server: Server, payload: Payload) -> None:
        self._server = server
        self._payload = payload
        self._storing: list[Thread] = []
        self.answers: list[int] = []

    def request(self, method: str, url: str, body: str = "", **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=2 * TIMEOUT)
        with closing(connection):
            connection.request(method, url, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text else None

    def put(self, number: int) -> None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.request("PUT", f"/tickets/T{number}", "to=%2B4930123456", **kind)
        self.answers.append(answer[0])

    def send(self, number: int) -> None:
        """Begin to send a message and store its id, up to the gate."""
        thread = Thread(target=self.put, args=[number])
        thread.start()
        self._storing.append(thread)

    def wait_until_halted(self) -> None:
        halted = [self._server.folder / f"M{number}" for number in range(MESSAGES)]
        wait_until(lambda: all(path.exists() for path in halted), "all of them are halted")

    def go_on(self) -> None:
        """Open the gate, and wait until all is stored."""
        (self._server.folder / "go").touch()
        for thread in self._storing:
            thread.join(TIMEOUT)

    def post(self, number: int, *names: str) -> None:
        """Post a message's events, each of which is accepted and handled at once."""
        for name in names:
            changes = {"data__message_id": f"M{number}"}
            if name != "failed":
                changes["data__external_reference_id"] = f"T{number}"
            body = json.dumps(self._payload(name, **changes))
            status, answer = self.request("POST", URL, body, Authorization=TOKEN)
            assert (status, answer["result"]) == (200, "accepted"), self._server.log

    def status(self, number: int) -> Any:
        return self.request("GET", f"/tickets/T{number}")[1]["status"]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the ledger's and the host's tables."""
    with fresh_database(request.param, tmp_path) as url:
        app = create_app(
            {"SQLALCHEMY_DATABASE_URI": url, "FD_WHATSAPP_HEADERS": {"Authorization": TOKEN}}
        )
        ledger: Any = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledger.upgrade()
        ledger.engine.dispose()
        with app.app_context():
            db.engine.dispose()
        yield url


@pytest.fixture
def start(url: str, tmp_path: Path, payload: Payload) -> Iterator[Callable[[str], Host]]:
    """Starts the host with a gate at the step given."""
    stops: list[Any] = []

    def start(gate: str) -> Host:
        server = Server(
            tmp_path,
            {"HEADERS": json.dumps({"Authorization": TOKEN})},
            threads=MESSAGES + 2,
            host="tests.examples.gated_tickets:create_app()",
        )
        server.environment |= {
            "FLASK_SQLALCHEMY_DATABASE_URI": url,
            "GATE": gate,
            "GATE_FOLDER": str(tmp_path),
        }
        stops.append(running(server))
        stops[-1].__enter__()
        return Host(server, payload)

    yield start
    for stop in stops:
        stop.__exit__(None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("gate", GATES)
def test_no_ticket_stays_without_a_status(start: Callable[[str], Host], gate: str) -> None:
    """A ticket has its status, at whatever step of storing the message's id the events arrive.

    Every other message gets a FAILED, which has no reference.
    """
    host = start(gate)
    failing, others = range(0, MESSAGES, 2), range(1, MESSAGES, 2)
    if gate == "after look":
        for number in others:
            host.post(number, "queued")
    for number in range(MESSAGES):
        host.send(number)
    host.wait_until_halted()
    for number in failing:
        host.post(number, "failed")
    for number in others:
        host.post(number, "sent", "delivered")
    host.go_on()
    assert host.answers == [201] * MESSAGES
    expected = ["FAILED", "DELIVERED"] * (MESSAGES // 2)
    assert [host.status(number) for number in range(MESSAGES)] == expected
    host.post(others[0], "read")
    assert host.status(others[0]) == "READ"
