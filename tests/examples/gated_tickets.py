"""``examples/tickets`` for gunicorn, halted at one step of *send, store, commit, catch up*.

``GATE`` names the step, ``GATE_FOLDER`` is where each message leaves a file when it has come there,
and where ``go`` lets all of them pass.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, g, request
from sqlalchemy import event as events

from examples import tickets
from examples.tickets import sending
from examples.tickets.models import db
from flask_fd_whatsapp import current_ledger

from ..processes.waiting import wait_until


class _Ledger:
    """The ledger, halting whoever has read a message."""

    def message(self, message_id: str) -> Any:
        found = current_ledger.message(message_id)
        _halt("after look")
        return found


def create_app() -> Flask:
    """The example, with gates."""
    app = tickets.create_app()
    sending.current_ledger = _Ledger()  # type: ignore[assignment]
    with app.app_context():
        events.listen(db.session, "before_commit", _before_commit)
        events.listen(db.session, "after_commit", lambda session: _halt("after commit"))
        db.engine.dispose()  # gunicorn forks
    return app


def _before_commit(session: Any) -> None:
    if db.engine.dialect.name != "sqlite":
        session.flush()  # the row is written, and nobody else can see it yet
    _halt("before commit")


def _halt(step: str) -> None:
    message_id = request.form.get("message_id")
    if message_id is None or step != os.environ["GATE"] or g.get("has_passed"):
        return
    g.has_passed = True
    folder = Path(os.environ["GATE_FOLDER"])
    (folder / message_id).touch()
    wait_until((folder / "go").exists, "the gate is opened")
