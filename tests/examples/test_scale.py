"""The example of many processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from ..conftest import SAMPLES, TOKEN, URL, Payload
from ..ledger.databases import fresh_database
from ..ports import free_port
from ..processes.waiting import wait_until
from ..queue.brokers import fresh_queue

pytest.importorskip("gunicorn")

START = Path(__file__).parents[2] / "examples" / "scale" / "start.py"


class Running:
    """The example, started with its script."""

    def __init__(self, folder: Path, url: str, broker: dict[str, Any]) -> None:
        self.port = free_port()
        environment = {
            **os.environ,
            "PORT": str(self.port),
            "FLASK_FD_WHATSAPP_LEDGER_URL": url,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),  # for gunicorn's control socket
            "PYTHONDONTWRITEBYTECODE": "1",
            **{f"FLASK_CELERY__{key}": json.dumps(value) for key, value in broker.items()},
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, START], env=environment, stdout=log, stderr=log
            )

    def request(self, method: str, url: str, body: object = None) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, url, json.dumps(body), {"Authorization": TOKEN})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if answer.status == 200 else None

    def is_ready(self) -> bool:
        """Whether receivers and workers are running; fails if the example has ended."""
        assert self.process.poll() is None, self.log.read_text()
        with suppress(OSError):
            return self.log.read_text().count(" ready.") == 2 and self.request("GET", URL)[0] == 204
        return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """The example with a database and a queue of its own; it has to end by itself."""
    with fresh_database("postgresql", tmp_path) as url, fresh_queue("rabbitmq") as broker:
        running = Running(tmp_path, url, broker)
        with running.process as process:
            try:
                wait_until(running.is_ready, "everything is started")
                yield running
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        log = running.log.read_text()
        assert process.returncode == 0, log
        assert "Traceback" not in log, log


@pytest.mark.slow
def test_workers_move_tickets_along(running: Running, payload: Payload) -> None:
    """Events posted to the receivers move tickets along in the workers, each once."""
    references = [f"T-{number}" for number in range(10)]
    for name in SAMPLES:
        for reference in references:
            event = payload(name, data__message_id=reference, data__external_reference_id=reference)
            assert running.request("POST", URL, event) == (200, {"result": "accepted"})

    def are_read() -> bool:
        tickets = [running.request("GET", f"/tickets/{reference}") for reference in references]
        return all(status == 200 and ticket["status"] == "READ" for status, ticket in tickets)

    wait_until(are_read, "every ticket is at READ")
    event = payload("read", data__message_id="T-0")
    wait_until(
        lambda: running.request("POST", URL, event) == (200, {"result": "duplicate"}),
        "the event is known to be done",
    )
    for reference in references:
        _, ticket = running.request("GET", f"/tickets/{reference}")
        assert 1 <= ticket["changes"] <= 4
