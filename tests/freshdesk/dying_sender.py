"""A process that sends one message, and is killed with SIGKILL at a given point."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from flask_fd_whatsapp.freshdesk import api_client, current_client, https_calls
from flask_fd_whatsapp.ledger.sql.send_rows import SQLSendRecord

from .catching_up import TEMPLATE, TO
from .served_host import create_app


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(place: Any, name: str) -> None:
    setattr(place, name, die)


def die_after(place: Any, name: str) -> None:
    does: Callable[..., Any] = getattr(place, name)

    def do_and_die(*arguments: Any, **options: Any) -> None:
        does(*arguments, **options)
        die()

    setattr(place, name, do_and_die)


POINTS: Mapping[str, Callable[[], None]] = {
    "before the intent": lambda: die_before(SQLSendRecord, "intend"),
    "intent committed": lambda: die_after(SQLSendRecord, "intend"),
    "request out": lambda: die_before(https_calls, "_read"),
    "answer read": lambda: die_after(api_client, "read_sent"),
    "id stored": lambda: die_after(SQLSendRecord, "sent"),
    "host not committed": lambda: None,
}


def main(settings: Mapping[str, Any], reference: str, point: str) -> None:
    POINTS[point]()
    app = create_app(settings)
    with app.app_context():
        current_client.send(to=TO, template=TEMPLATE, external_reference_id=reference, once=True)
    die()
