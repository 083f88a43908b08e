"""What the log says about an unusable ledger."""

from __future__ import annotations

import gzip
import logging
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.receiving.outage import LINE_SECONDS, Outage

from ..answers import assert_problem, assert_result, client_of
from ..concurrency.threads import Clock
from ..conftest import URL, MakeApp, Payload


class Flaky(MemoryLedger):
    """Stands in for a ledger whose database goes down and comes back."""

    error: Exception | None = None

    def record(self, *args: Any, **kwargs: Any) -> Any:
        if self.error is not None:
            raise self.error
        return super().record(*args, **kwargs)


class Host:
    """An application whose ledger can be taken down, and what its log says of that."""

    def __init__(self, app: Flask, ledger: Flaky, log: pytest.LogCaptureFixture) -> None:
        self.ledger = ledger
        self.clock = Clock()
        self._client = client_of(app)
        self._log = log
        receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
        receiver._outage = Outage("fd_whatsapp", self.clock)

    def post(self, body: Any, status: int) -> None:
        answer = self._client.post(URL, json=body)
        assert answer.status_code == status

    def lines(self) -> list[logging.LogRecord]:
        """The log records since the last call."""
        records = [one for one in self._log.records if one.name.endswith(".outage")]
        self._log.clear()
        return records


@pytest.fixture
def host(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> Host:
    ledger = Flaky()
    return Host(make_app(FreshdeskWhatsApp(ledger=ledger)), ledger, caplog)


def test_one_line_a_minute(host: Host, payload: Payload) -> None:
    """An outage logs one CRITICAL line, one a minute with the number of rejections, and one at its
    end.
    """
    host.ledger.error = LedgerUnavailable("the disk is full.")
    for _ in range(20):
        host.post(payload(), 503)
    (first,) = host.lines()
    assert first.levelno == logging.CRITICAL
    assert first.getMessage() == (
        "The ledger cannot be used: answered with 503. the disk is full. "
        "`flask fd-whatsapp check --receiver fd_whatsapp` says more."
    )
    host.clock.now += LINE_SECONDS
    for _ in range(5):
        host.post(payload(), 503)
    (second,) = host.lines()
    assert second.getMessage().endswith(" 20 requests were rejected since the last such line.")
    host.ledger.error = None
    for _ in range(2):
        host.post(payload(), 200)
    (last,) = host.lines()
    assert last.levelno == logging.WARNING
    assert last.getMessage() == (
        "The ledger of fd_whatsapp works again. In the last 60 seconds, 25 requests were answered "
        "with 503."
    )


@pytest.mark.parametrize("seconds", [0.2, 1])
def test_a_short_outage(host: Host, payload: Payload, seconds: float) -> None:
    """A single request and second are worded in the singular; no outage takes 0 seconds."""
    host.ledger.error = LedgerUnavailable("The disk is full.")
    host.post(payload(), 503)
    host.clock.now += seconds
    host.ledger.error = None
    host.post(payload(), 200)
    last = host.lines()[-1].getMessage()
    assert last.endswith("In the last second, 1 request was answered with 503.")


def test_an_unexpected_error_has_its_traceback(host: Host, payload: Payload) -> None:
    """An unexpected error of a ledger is logged with its traceback, and as rarely."""
    host.ledger.error = RecursionError("too deep")
    for _ in range(3):
        host.post(payload(), 503)
    (line,) = host.lines()
    assert line.exc_info is not None
    assert line.exc_info[1] is host.ledger.error


def test_a_ledger_that_works_now_and_then(host: Host, payload: Payload) -> None:
    """A ledger that works for every other request logs no more than one that is down."""
    for _ in range(20):
        host.ledger.error = LedgerUnavailable("busy")
        host.post(payload(), 503)
        host.ledger.error = None
        host.post(payload(), 200)
    assert [line.levelname for line in host.lines()] == ["CRITICAL", "WARNING"]
    host.clock.now += LINE_SECONDS
    host.ledger.error = LedgerUnavailable("busy")
    host.post(payload(), 503)
    (line,) = host.lines()
    assert " 20 requests were rejected " in line.getMessage()


def test_what_needs_no_ledger_ends_no_outage(host: Host, payload: Payload) -> None:
    """An empty body or a bomb, which need no ledger, do not end the outage."""
    host.ledger.error = LedgerUnavailable("down")
    host.post(payload(), 503)
    assert_result(host._client.post(URL, data=b""), "ignored")
    bomb = gzip.compress(b" " * 10_000_000)
    answer = host._client.post(URL, data=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert_problem(host._client.post(URL, json=payload()), 503, "30")
    assert [line.levelname for line in host.lines()] == ["CRITICAL"]
