from __future__ import annotations

import logging
from threading import Event
from typing import Any

import pytest

from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.receiving.duplicates import Duplicates

from ..concurrency.threads import TIMEOUT
from ..processes.waiting import wait_until


class Told(MemoryLedger):
    """A ledger that reports counts, and fails as often as told."""

    failures = 0

    def __init__(self) -> None:
        super().__init__()
        self.is_written = Event()
        count = self.reports.count_duplicates

        def tell(*arguments: Any) -> None:
            if self.failures:
                self.failures -= 1
                self.is_written.set()
                raise LedgerUnavailable("No.")
            count(*arguments)
            self.is_written.set()

        self.reports.count_duplicates = tell  # type: ignore[method-assign]


def test_events_that_come_again_are_counted() -> None:
    """Duplicates are in the feed once they are written."""
    ledger = Told()
    Duplicates("fd_whatsapp", lambda: ledger).count()
    assert ledger.is_written.wait(TIMEOUT)
    assert ledger.feed(receiver="fd_whatsapp").duplicates == 1


def test_what_could_not_be_written_is_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that is down costs a log line, but no count."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.duplicates.INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr("flask_fd_whatsapp.receiving.write_behind.AGAIN_SECONDS", 0.0)
    ledger = Told()
    ledger.failures = 2
    with caplog.at_level(logging.WARNING):
        Duplicates("fd_whatsapp", lambda: ledger).count()
        wait_until(lambda: ledger.feed().duplicates, "it is written")
    assert "could not be written; trying again: No." in caplog.text
    assert ledger.feed().duplicates == 1
