"""``examples/tickets`` for gunicorn, halted at one step of *send, store, commit, catch up*.

``GATE`` names the step, ``GATE_FOLDER`` is where each message leaves a file when it has come there,
and where ``go`` lets all of them pass.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, g
from sqlalchemy import event as events

from examples import tickets
from examples.tickets import sending
from examples.tickets.models import db
from flask_fd_whatsapp import current_ledger
from flask_fd_whatsapp.freshdesk import Sent

from ..processes.waiting import wait_until


class _Ledger:
    """The ledger, which blocks after reading a message."""

    def message(self, message_id: str) -> Any:
        found = current_ledger.message(message_id)
        _halt("after look")
        return found


class _Client:
    """Sends nothing: the message of ticket T7 is M7."""

    def send(self, *, external_reference_id: str, **_: Any) -> Sent:
        g.is_sent = external_reference_id.replace("T", "M")
        return Sent(g.is_sent, external_reference_id)


def create_app() -> Flask:
    """The example, with gates."""
    app = tickets.create_app()
    sending.current_client = _Client()  # type: ignore[assignment]
    sending.current_ledger = _Ledger()  # type: ignore[assignment]
    with app.app_context():
        events.listen(db.session, "before_commit", lambda session: _halt("before commit"))
        events.listen(db.session, "after_commit", lambda session: _halt("after commit"))
        db.engine.dispose()  # gunicorn forks
    return app


def _halt(step: str) -> None:
    if "is_sent" not in g or step != os.environ["GATE"] or g.get("has_passed"):
        return
    g.has_passed = True
    folder = Path(os.environ["GATE_FOLDER"])
    (folder / g.is_sent).touch()
    wait_until((folder / "go").exists, "the gate is opened")
