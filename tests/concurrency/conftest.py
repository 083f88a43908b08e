from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, message_queued, status_received

from ..answers import client_of
from ..conftest import URL, MakeApp, Payload
from .threads import LEASE, Clock, Gate, Post, WatchedLedger


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> WatchedLedger:
    return WatchedLedger(clock)


@pytest.fixture
def app(make_app: MakeApp, ledger: WatchedLedger) -> Flask:
    return make_app(FreshdeskWhatsApp(ledger=ledger), LEASE_SECONDS=LEASE)


@pytest.fixture
def post(app: Flask, payload: Payload) -> Post:
    """Post a sample with changes, from any thread."""

    def post(name: str = "queued", **changes: Any) -> TestResponse:
        return client_of(app).post(URL, json=payload(name, **changes))

    return post


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(50) as pool:
        yield pool


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    message_queued.connect(gate)
    yield gate
    gate.opened.set()


@pytest.fixture
def handled() -> list[tuple[str, str]]:
    """Handler and status of every call, from a handler before and one after the gate."""
    handled: list[tuple[str, str]] = []

    def listen(name: str, signal: Any) -> None:
        def handler(app: Flask, event: StatusEvent) -> None:
            handled.append((name, event.status))

        signal.connect(handler, weak=False)

    listen("first", message_queued)
    listen("last", status_received)
    return handled
