"""A burst of events, posted by a client that repeats unacknowledged ones."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, Queue
from typing import Any, Self

from ..conftest import PAYLOADS, SAMPLES, TOKEN, URL
from .waiting import wait_until

_SAMPLES = {name: json.loads((PAYLOADS / f"{name}.json").read_text()) for name in SAMPLES}


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that the client sends.

    :param is_repeated: whether it is sent again if it is not acknowledged.
    """

    message_id: str
    status: str
    body: bytes = field(repr=False)
    is_repeated: bool = True

    @property
    def key(self) -> tuple[str, str]:
        return self.message_id, self.status


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: str | None
    body: dict[str, Any]


def make_event(message_id: str, name: str = "queued", *, is_repeated: bool = True) -> Sent:
    """One of the vendor's samples as an event of a message."""
    payload = {**_SAMPLES[name]}
    payload["data"] = {**payload["data"], "message_id": message_id}
    body = json.dumps(payload).encode()
    return Sent(message_id, payload["data"]["status"], body, is_repeated)


def timestamp(status: str) -> datetime:
    """When the samples say that *status* was reached."""
    return datetime.fromisoformat(_SAMPLES[status.lower()]["data"]["timestamp"])


def make_burst(count: int, rng: random.Random, *, given_up: float = 0) -> list[Sent]:
    """*count* events, each message's five in roughly random order, and a quarter of them
    duplicated.

    :param given_up: the share of those sent once only, as Freshdesk gives up at some time.
    """
    events = [
        make_event(f"M{number // 5}", SAMPLES[number % 5], is_repeated=rng.random() >= given_up)
        for number in range(count)
    ]
    doubled = [*events, *(event for event in events if rng.random() < 0.25)]
    places = {id(event): number for number, event in enumerate(events)}
    return sorted(doubled, key=lambda event: places[id(event)] + rng.uniform(0, 25))


def post(connection: http.client.HTTPConnection, event: Sent) -> Answer:
    connection.request("POST", URL, event.body, {"Authorization": TOKEN})
    answer = connection.getresponse()
    return Answer(answer.status, answer.headers["Retry-After"], json.loads(answer.read()))


def post_once(port: int, event: Sent) -> Answer:
    """Post on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return post(connection, event)


class Client:
    """Posts events from several threads until each is acknowledged or given up.

    To be used in a ``with`` statement, at whose end all of that is done.
    """

    def __init__(self, port: int, events: Sequence[Sent], *, threads: int = 16) -> None:
        self.acknowledged: set[tuple[str, str]] = set()
        self.answered = 0
        self.refused: list[Answer] = []
        self.broken_connections = 0
        self._port = port
        self._queue: Queue[Sent] = Queue()
        self._open = len(events)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        for event in events:
            self._queue.put(event)
        self._pool = ThreadPoolExecutor(threads)
        self._threads = [self._pool.submit(self._post_all) for _ in range(threads)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                wait_until(self.is_over, "all events are acknowledged", 90)
        finally:
            self._stopped.set()
            self._pool.shutdown()
        for thread in self._threads:
            thread.result()

    def is_over(self) -> bool:
        return self._open == 0 or any(thread.done() for thread in self._threads)

    def wait_for_more(self, count: int) -> None:
        """Wait until *count* more events are acknowledged than now, or all."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.is_over(), f"{count} are acknowledged")

    def _post_all(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        with closing(connection):
            while not self._stopped.is_set():
                try:
                    event = self._queue.get(timeout=0.05)
                except Empty:
                    continue
                try:
                    answer: Answer | None = post(connection, event)
                except (OSError, http.client.HTTPException):
                    connection.close()
                    answer = None
                self._note(event, answer)

    def _note(self, event: Sent, answer: Answer | None) -> None:
        is_acknowledged = answer is not None and answer.status == 200
        with self._lock:
            if is_acknowledged:
                self.acknowledged.add(event.key)
                self.answered += 1
            elif answer is not None:
                self.refused.append(answer)
            else:
                self.broken_connections += 1
            if is_acknowledged or not event.is_repeated:
                self._open -= 1
            else:
                self._queue.put(event)
