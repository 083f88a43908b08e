"""``handle_event``: what a queue's worker calls."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, handle_event, message_queued
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import Ledger, Policy

from ..conftest import TOKEN, URL, MakeApp, Payload


@pytest.fixture
def app(make_app: MakeApp, payload: Payload, tmp_path: Path, empty_ledger_file: Path) -> Flask:
    """An application with one recorded event, handed over to nobody."""
    shutil.copy(empty_ledger_file, tmp_path / "ledger.db")
    blueprint = FreshdeskWhatsApp(hand_over=lambda *_: None)
    app = make_app(blueprint, LEDGER_URL=f"sqlite:///{tmp_path}/ledger.db")
    app.test_client().post(URL, json=payload(), headers={"Authorization": TOKEN})
    return app


@pytest.fixture
def event_id(ledger: Ledger) -> Any:
    (event,) = ledger.events()
    return event.id


def handle(app: Flask, event_id: Any, receiver: str = "fd_whatsapp") -> str:
    with app.app_context():
        return handle_event(receiver, event_id)


def test_handlers_are_called_once(app: Flask, event_id: Any) -> None:
    """An id that arrives repeatedly, as a number or digits, calls its handlers once."""
    calls: list[str] = []
    message_queued.connect(lambda app, event: calls.append(event.message_id), weak=False)
    outcomes = [handle(app, each) for each in (event_id, event_id, str(event_id))]
    assert outcomes == ["accepted", "duplicate", "duplicate"]
    assert len(calls) == 1


@pytest.mark.parametrize(
    "unknown",
    [0, 99, 2**63 - 1, 2**63, -1, "99", "9" * 30, "M1", "", 1.5, True, None, b"1", "\u0661"],
)
def test_unknown_id(app: Flask, event_id: Any, unknown: Any) -> None:
    """An unknown or impossible id does nothing."""
    assert handle(app, unknown) == "gone"


def test_unknown_receiver(app: Flask, event_id: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An event of an unknown receiver is left alone, and the log says why."""
    assert handle(app, event_id, "other") == "gone"
    assert "no receiver 'other', only fd_whatsapp" in caplog.text
    assert handle(app, event_id) == "accepted"


def test_failed_handler_does_not_raise(app: Flask, event_id: Any) -> None:
    """A handler's failure is recorded, and an early repetition calls that handler again."""
    failures = [OSError("not this time")]

    def fail_once(app: Flask, event: Any) -> None:
        if failures:
            raise failures.pop()

    message_queued.connect(fail_once)
    assert [handle(app, event_id) for _ in range(2)] == ["unfinished", "accepted"]


def test_message_that_another_handles(app: Flask, ledger: Ledger, event_id: Any) -> None:
    """While another process handles its message, the event is left to the sweep."""
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0.0
    held = ledger.claim(event_id, Policy())
    assert held is not None
    assert handle(app, event_id) == "busy"


def test_ledger_that_is_down(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable ledger, even one that cannot be created, is the only thing that raises."""
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]

    def fail() -> Ledger:
        raise OSError("no such host")

    monkeypatch.setattr(receiver, "_ledger", None)
    monkeypatch.setattr(receiver, "_make_ledger", fail)
    with pytest.raises(LedgerUnavailable, match="OSError"):
        handle(app, 1)


def test_what_breaks_otherwise_does_not_raise(
    app: Flask, event_id: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Any other error is logged with its traceback, and the event left to the sweep."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.worker.resume", lambda *_, **__: 1 / 0)
    assert handle(app, event_id) == "unfinished"
    assert "ZeroDivisionError" in caplog.text


def test_no_application_context() -> None:
    """Outside an application context it is Flask's own error."""
    with pytest.raises(RuntimeError, match="application context"):
        handle_event("fd_whatsapp", 1)
