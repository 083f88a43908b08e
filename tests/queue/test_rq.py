"""The recipe for RQ in ``docs/queues.md``, with real workers on a real Redis."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from redis import Redis
from rq import Queue

from flask_fd_whatsapp.receiving.receiver import Receiver

from ..conftest import TOKEN, URL, Payload
from ..ledger.databases import fresh_database
from .brokers import require, url_of

PAGE = Path(__file__).parents[2] / "docs" / "queues.md"
HANDLERS = """
from flask_fd_whatsapp import message_queued


@message_queued.connect_via(app)
def note(app, event):
    with open({calls!r}, "a") as calls:
        calls.write(f"{{event.message_id}}\\n")
"""


class Host:
    """The recipe's application, in a module of its own in *folder*."""

    def __init__(self, folder: Path, url: str, payload: Payload) -> None:
        require("redis")
        self.name = f"rq_{secrets.token_hex(6)}"
        self.calls = folder / "calls"
        self._folder, self._payload = folder, payload
        (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        for shown, real in {
            "postgresql+psycopg://user:password@host/database": url,
            "redis://127.0.0.1:6379/0": url_of("redis"),
            '"whatsapp"': f'"{self.name}"',
        }.items():
            assert shown in block
            block = block.replace(shown, real)
        (folder / f"{self.name}.py").write_text(block + HANDLERS.format(calls=str(self.calls)))
        self.calls.touch()
        self.module: ModuleType = __import__(self.name)
        self.queue: Queue = self.module.queue
        self.receiver: Receiver = self.module.app.extensions["fd_whatsapp"]["fd_whatsapp"]

    def post(self, message_id: str) -> None:
        answer = self.module.app.test_client().post(
            URL,
            json=self._payload("queued", data__message_id=message_id),
            headers={"Authorization": TOKEN},
        )
        assert (answer.status_code, answer.get_json()) == (200, {"result": "accepted"})

    def work(self) -> str:
        """Have a worker process the queue."""
        options = ("--worker-class", "rq.SimpleWorker", "--url", url_of("redis"))
        done = subprocess.run(
            [sys.executable, "-m", "rq.cli", "worker", "--burst", *options, self.name],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(PAGE.parents[1])},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def states(self) -> dict[str, str]:
        return {event.message_id: event.state for event in self.receiver.ledger.events()}


@pytest.fixture
def host(tmp_path: Path, payload: Payload, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.syspath_prepend(tmp_path)
    with fresh_database("sqlite", tmp_path) as url:
        host = Host(tmp_path, url, payload)
        yield host
        with Redis.from_url(url_of("redis")) as connection:
            Queue(host.name, connection=connection).delete(delete_jobs=True)
        host.queue.connection.close()
        host.receiver.ledger.engine.dispose()  # type: ignore[attr-defined]


def test_workers_call_the_handlers(host: Host) -> None:
    """Requests record and hand over; a worker calls the handlers, once for each event."""
    for message_id in ("M1", "M2", "M1"):
        host.post(message_id)
    assert host.states() == {"M1": "pending", "M2": "pending"}
    assert len(host.queue) == 3
    log = host.work()
    assert host.states() == {"M1": "done", "M2": "done"}, log
    assert sorted(host.calls.read_text().split()) == ["M1", "M2"]


def test_job_of_an_unknown_event_is_harmless(host: Host) -> None:
    """A job for an unknown event or receiver ends normally."""
    host.post("M1")
    for name, event_id in (("fd_whatsapp", 99), ("fd_whatsapp", "M1"), ("other", 1)):
        host.module.enqueue(name, event_id)
    host.work()
    assert host.states() == {"M1": "done"}
    assert host.queue.failed_job_registry.count == 0


def test_outage_of_redis_costs_nothing(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """While Redis is down requests are answered, and the sweep handles what was not handed over."""
    host.queue.connection = Redis(port=1)
    for message_id in ("M1", "M2"):
        host.post(message_id)
    assert caplog.text.count("cannot be handed over") == 1
    assert host.module.app.test_cli_runner().invoke(args=["fd-whatsapp", "retry"]).exit_code == 0
    assert host.states() == {"M1": "done", "M2": "done"}
