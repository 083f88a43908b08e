"""Handlers that block, a clock that is moved by hand, and a ledger that reports who waits."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from flask_fd_whatsapp import StatusEvent
from flask_fd_whatsapp.ledger import MemoryLedger

TIMEOUT = 30
LEASE = 60

Post = Callable[..., TestResponse]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class WatchedLedger(MemoryLedger):
    """A ledger that reports when somebody begins to wait for a message."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.somebody_waits = Event()

    def claim(self, *args: Any, **kwargs: Any) -> Any:
        self.somebody_waits.set()
        return super().claim(*args, **kwargs)


class Gate:
    """A handler that blocks at its first call until it is let through."""

    def __init__(self) -> None:
        self.calls = itertools.count(1)
        self.entered, self.opened = Event(), Event()
        self.error: Exception | None = None

    def __call__(self, app: Flask, event: StatusEvent) -> None:
        if next(self.calls) == 1:
            self.entered.set()
            assert self.opened.wait(TIMEOUT)
            if self.error is not None:
                raise self.error


def wait_at_most(app: Flask, seconds: float = 0) -> None:
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = seconds


def results(futures: list[Future[TestResponse]]) -> Counter[str]:
    answers = [future.result(TIMEOUT) for future in futures]
    return Counter(answer.get_json().get("result", answer.status) for answer in answers)
