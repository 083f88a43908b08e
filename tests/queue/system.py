"""A receiver in this process, workers in others, and what both have done."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Engine, text

from flask_fd_whatsapp.ledger import Event
from flask_fd_whatsapp.receiving.receiver import Receiver

from ..conftest import TOKEN, URL, Payload
from ..processes.waiting import wait_until
from .brokers import CeleryConfig
from .host import create_app
from .workers import Process, Worker


class System:
    """The host application with a ledger, a queue and as many workers as are started."""

    def __init__(
        self, folder: Path, url: str, config: CeleryConfig, payload: Payload, lease: float
    ) -> None:
        self.folder = folder
        self.config = config
        self.settings: dict[str, Any] = {
            "FD_WHATSAPP_LEDGER_URL": url,
            "FD_WHATSAPP_LEASE_SECONDS": lease,
            "HOST_FOLDER": str(folder),
        }
        self._payload = payload
        self._processes: list[Process] = []
        self.app: Flask = create_app({**self.settings, "TESTING": True, "CELERY": config})
        self.receiver: Receiver = self.app.extensions["fd_whatsapp"]["fd_whatsapp"]
        self.hand_over: Any = self.receiver._hand_over
        self.receiver.ledger.upgrade()
        self.calls_file.touch()

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls"

    @property
    def engine(self) -> Engine:
        engine: Engine = self.receiver.ledger.engine  # type: ignore[attr-defined]
        return engine

    def start(self, pool: str = "solo", *arguments: str) -> Worker:
        """Start a worker, without waiting for it."""
        worker = Worker(self.folder, self.settings, self.config, pool, *arguments)
        self._processes.append(worker)
        return worker

    def start_beat(self) -> Process:
        """Start ``celery beat`` with the schedule of the configuration."""
        schedule = f"--schedule={self.folder / 'schedule'}"
        beat = Process(self.folder, self.settings, self.config, "beat", schedule, "--pidfile=")
        self._processes.append(beat)
        return beat

    def post(self, word: str = "ok", name: str = "queued") -> str:
        """Send a new message's event through the receiver, and return the message's id."""
        message_id = f"{word}-{uuid.uuid4().hex}"
        self.post_again(message_id, name)
        return message_id

    def post_again(self, message_id: str, name: str = "queued") -> None:
        answer = self.app.test_client().post(
            URL,
            json=self._payload(name, data__message_id=message_id),
            headers={"Authorization": TOKEN},
        )
        assert (answer.status_code, answer.get_json()) == (200, {"result": "accepted"})

    def event(self, message_id: str) -> Event:
        """The only event of a message."""
        (event,) = self.receiver.ledger.events(message_id=message_id)
        return event

    def calls(self, message_id: str) -> Counter[str]:
        """How often each handler was called with a message's events."""
        lines = map(str.split, self.calls_file.read_text().splitlines())
        return Counter(handler for handler, message, *_ in lines if message == message_id)

    def pids(self, message_id: str) -> list[int]:
        """The processes that called the handlers, in order."""
        lines = map(str.split, self.calls_file.read_text().splitlines())
        return [int(pid) for _, message, _, pid in lines if message == message_id]

    def make_due(self) -> None:
        """End the back-off of every event."""
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE fd_whatsapp_event SET due_at = received_at WHERE due_at IS NOT NULL",
                )
            )

    def wait_for(self, state: str, *message_ids: str) -> None:
        """Wait until the events of these messages are at *state*."""

        def is_there() -> bool:
            return all(self.event(message_id).state == state for message_id in message_ids)

        try:
            wait_until(is_there, f"the events are {state}")
        except AssertionError as error:
            logs = "\n".join(process.text() for process in self._processes)
            raise AssertionError(f"{error}\n{logs}") from None

    def close(self) -> None:
        for process in self._processes:
            process.kill()
        self.hand_over._take.close()
        self.engine.dispose()
