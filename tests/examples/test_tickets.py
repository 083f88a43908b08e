"""A host with Flask-SQLAlchemy: its tickets in the ledger's transaction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as events
from sqlalchemy.orm import Session

from examples.tickets import create_app, freshdesk, sending
from examples.tickets.models import Note, db
from flask_fd_whatsapp import current_ledger, message_queued
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import TOKEN, URL, Payload
from ..ledger.databases import KINDS, fresh_database
from ..ports import free_port
from ..processes.waiting import wait_until
from ..simulator.servers import ROOT, serving

REFERENCE = "MM-T1-00001"


@pytest.fixture
def kind() -> str:
    return "sqlite"


@pytest.fixture
def app(kind: str, tmp_path: Path) -> Iterator[Flask]:
    """The example with a ticket whose message has been sent."""
    with fresh_database(kind, tmp_path) as url:
        app = create_app(
            {
                "TESTING": True,
                "SQLALCHEMY_DATABASE_URI": url,
                "FD_WHATSAPP_HEADERS": {"Authorization": TOKEN},
            }
        )
        ledger(app).upgrade()
        assert app.test_client().put(f"/tickets/{REFERENCE}").status_code == 201
        yield app
        ledger(app).engine.dispose()
        with app.app_context():
            db.engine.dispose()


def ledger(app: Flask) -> SQLLedger:
    found: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return found


def post(app: Flask, payload: dict[str, Any]) -> str | int:
    """The result, or the status where it is no success."""
    answer = app.test_client().post(URL, json=payload, headers={"Authorization": TOKEN})
    return answer.get_json()["result"] if answer.status_code == 200 else answer.status_code


def ticket(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get(f"/tickets/{REFERENCE}").get_json()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_ticket_notes_each_step_once(app: Flask, payload: Payload) -> None:
    """A ticket follows its message, each step is noted once, and a stale failure opens nothing."""
    names = ("queued", "sent", "delivered", "read", "failed")
    assert [post(app, payload(name)) for name in names] == ["accepted"] * 5
    assert [post(app, payload(name)) for name in names] == ["duplicate"] * 5
    assert ticket(app) == {
        "status": "READ",
        "is_open": False,
        "notes": [
            "sent -> QUEUED",
            "QUEUED -> SENT",
            "SENT -> DELIVERED",
            "DELIVERED -> READ",
            "FAILED (FAILED), but it stays READ",
        ],
    }


def test_failure_opens_the_ticket(app: Flask, payload: Payload) -> None:
    """A failure opens the ticket, and a message that arrives nevertheless closes it."""
    for name in ("sent", "failed"):
        post(app, payload(name))
    assert ticket(app)["status"] == "FAILED"
    assert ticket(app)["is_open"] is True
    post(app, payload("delivered"))
    assert ticket(app) == {
        "status": "DELIVERED",
        "is_open": False,
        "notes": ["sent -> SENT", "SENT -> FAILED (FAILED)", "FAILED -> DELIVERED"],
    }


def test_a_failure_without_a_reference_finds_its_ticket(app: Flask, payload: Payload) -> None:
    """A FAILED that arrives first, without a reference, finds its ticket by the message's id."""
    with app.app_context():
        sending.store(REFERENCE, payload("failed")["data"]["message_id"])
    post(app, payload("failed"))
    assert ticket(app) == {
        "status": "FAILED",
        "is_open": True,
        "notes": ["sent -> FAILED (FAILED)"],
    }


def test_an_event_without_a_ticket_changes_none(app: Flask, payload: Payload) -> None:
    """An event of a message without a ticket is accepted, and changes none."""
    assert post(app, payload("sent", data__external_reference_id="other")) == "accepted"
    assert ticket(app)["notes"] == []


def test_failing_handler(app: Flask, payload: Payload) -> None:
    """What a handler wrote before it failed is gone, and the next delivery does it once."""

    def write_then_fail(session: Session, *_: object) -> None:
        raise RuntimeError("after the rows were written")

    events.listen(Session, "after_flush", write_then_fail)
    try:
        assert post(app, payload("sent")) == 503
    finally:
        events.remove(Session, "after_flush", write_then_fail)
    assert ticket(app) == {"status": None, "is_open": False, "notes": []}
    assert post(app, payload("sent")) == "accepted"
    assert ticket(app)["notes"] == ["sent -> SENT"]


def test_commit_only_flushes(app: Flask, payload: Payload) -> None:
    """``Session.commit()`` does not commit the ledger's transaction: a failure still undoes it."""
    should_fail = [True, False]

    @message_queued.connect_via(app)
    def note(app: Flask, event: object) -> None:
        with Session(bind=current_ledger.transaction) as session:
            session.add(Note(ticket_id=1, text="mine"))
            session.commit()
        if should_fail.pop(0):
            raise RuntimeError("after the commit")

    assert post(app, payload("queued")) == 503
    assert "mine" not in ticket(app)["notes"]
    assert post(app, payload("queued")) == "accepted"
    assert ticket(app)["notes"].count("mine") == 1


def test_a_ticket_is_sent_through_freshdesk(tmp_path: Path) -> None:
    """A ticket's message goes out through the API, once, and its webhooks move the ticket."""
    port = free_port()
    app = create_app(
        {
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'tickets.db'}",
            "FD_WHATSAPP_HEADERS": {"Authorization": TOKEN},
            "FD_WHATSAPP_ACCOUNT_IDS": ["11011399037"],
            "FD_WHATSAPP_DOMAIN": f"http://127.0.0.1:{port}",
            "FD_WHATSAPP_API_KEY": freshdesk.API_KEY,
            "FD_WHATSAPP_SENDER": "+14155550100",
        }
    )
    client = app.test_client()

    def send() -> Any:
        return client.put(f"/tickets/{REFERENCE}", data={"to": "+4930123456"})

    assert (send().status_code, ticket(app)["status"]) == (503, None)  # nobody is listening yet
    with serving(app) as url:
        command = [sys.executable, "-m", freshdesk.__name__, url + URL, str(port)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: send().status_code == 201, "it is sent")
                message_id = send().get_json()["message_id"]
                wait_until(lambda: ticket(app)["is_open"], "it has failed, as the first one does")
            finally:
                process.kill()
    with app.app_context():
        found = current_ledger.message(message_id)
        assert found is not None
        assert (found.status, found.external_reference_id) == ("FAILED", REFERENCE)
        db.engine.dispose()
    ledger(app).engine.dispose()


def test_check_of_tickets(app: Flask) -> None:
    """The check finds nothing wrong with it."""
    result = app.test_cli_runner().invoke(args=["fd-whatsapp", "check"])
    assert result.exit_code == 0, result.output
    assert "All in place." in result.output
