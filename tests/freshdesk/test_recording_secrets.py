"""The API key is in nothing that the recording client or a reconciliation leaves behind."""

from __future__ import annotations

import json
import logging
import signal
import socket
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, current_ledger
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.freshdesk import AlreadySent, FreshdeskAPIError, current_client, reconcile
from flask_fd_whatsapp.ledger.send_records import SendIntent

from .raw_servers import answer_of, answering, listening, request_of
from .test_api_secrets import FAILURES, KEY, TEMPLATE, TO, WRITTEN, Interruption, key_is_in


@contextmanager
def host(port: int, **more: Any) -> Generator[Flask]:
    """An application whose Freshdesk is a server of this machine."""
    app = Flask("host")
    app.testing = True
    settings = {
        "HEADERS": {"Authorization": "Bearer s3cret"},
        "ACCOUNT_IDS": ["1"],
        "DOMAIN": f"http://127.0.0.1:{port}",
        "API_KEY": KEY,
        "SENDER": "+14155550100",
        **more,
    }
    app.config.update({f"FD_WHATSAPP_{name}": value for name, value in settings.items()})
    app.register_blueprint(FreshdeskWhatsApp())
    with app.app_context():
        yield app


def send() -> Any:
    return current_client.send(to=TO, template=TEMPLATE, external_reference_id="T1", once=True)


def assert_nowhere(error: BaseException, log: str = "") -> None:
    assert key_is_in(error) == []
    assert not any(form in log for form in WRITTEN)
    assert TO.strip("+") not in f"{error!r} {error} {log}"


@pytest.mark.parametrize(("sent", "kind"), FAILURES.values(), ids=FAILURES)
def test_a_failed_send_has_no_key(
    sent: bytes, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a send's error nor its record contains the key or the recipient."""
    caplog.set_level(logging.DEBUG)
    with listening(answering(sent)) as port, host(port):
        with pytest.raises(kind) as caught:
            send()
        (recorded,) = current_ledger.sends()
    assert_nowhere(caught.value, f"{caplog.text} {recorded}")


def test_a_used_reference_has_no_key() -> None:
    """The error for a used reference contains neither, too."""
    with host(1):
        current_ledger.send_record.intend(
            SendIntent(
                receiver="fd_whatsapp", account_id="1", external_reference_id="T1", once=True
            )
        )
        with pytest.raises(AlreadySent) as caught:
            send()
    assert_nowhere(caught.value)


def test_a_ledger_that_is_down_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a ledger that could not record the intent contains neither, too."""

    def fail(*_: object) -> None:
        raise LedgerUnavailable("The database does not answer.")

    with host(1):
        monkeypatch.setattr(current_ledger.send_record, "intend", fail)
        with pytest.raises(LedgerUnavailable, match="Nothing was sent") as caught:
            send()
    assert_nowhere(caught.value)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Interruption])
@pytest.mark.parametrize("what", ["send", "reconcile"])
def test_an_interrupted_call_has_no_key(kind: type[BaseException], what: str) -> None:
    """An interruption of a send or a reconciliation carries no frame with the key."""
    raised = kind("stop")

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise raised

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        while connection.recv(65536):
            pass

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with listening(converse) as port, host(port):
            with pytest.raises(kind) as caught:
                send() if what == "send" else reconcile(ids=["M1"])
            states = [one.state for one in current_ledger.sends()]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value is raised
    assert_nowhere(raised)
    assert states == (["sending"] if what == "send" else [])


def test_the_recipient_is_kept_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The recipient is neither in the database nor in commands' output, whatever the send's
    state.
    """
    caplog.set_level(logging.DEBUG)
    number = TO.strip("+")
    refusal = {"field": "to", "code": number, "message": f"{TO} is no number"}
    answers = [
        answer_of(b'{"success": true, "message_id": "M1"}', "201 Created"),
        answer_of(json.dumps({"errors": [refusal]}).encode(), "400 Bad Request"),
        answer_of(f"<p>{TO}</p>".encode(), "502 Bad Gateway"),
    ]
    file = tmp_path / "ledger.db"
    for place, answer in enumerate(answers):
        with (
            listening(answering(answer)) as port,
            host(port, LEDGER_URL=f"sqlite:///{file}") as app,
        ):
            current_ledger.upgrade()
            with nullcontext() if place == 0 else pytest.raises(FreshdeskAPIError):
                current_client.send(to=TO, template=TEMPLATE, external_reference_id=f"T{place}")
            shown = [
                app.test_cli_runner().invoke(args=["fd-whatsapp", *command.split()]).output
                for command in ("sends", "sends --json", "sends --csv", "messages --json", "status")
            ]
            current_ledger.engine.dispose()
    with closing(sqlite3.connect(file)) as connection:
        kept = "".join(connection.iterdump())
    assert "T2" in kept
    assert "T2" in "".join(shown)
    for text in (kept, "".join(shown), caplog.text):
        assert number not in text
        assert "Ada" not in text


def test_a_refused_reconciliation_has_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """A rejected key appears neither in the reason nor in the log."""
    caplog.set_level(logging.DEBUG)
    with listening(answering(FAILURES["401"][0])) as port, host(port):
        done = reconcile(ids=["M1"])
    assert done.problem is not None
    assert "FD_WHATSAPP_API_KEY" in done.problem
    assert not any(form in f"{done} {caplog.text}" for form in WRITTEN)
