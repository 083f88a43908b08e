"""Notification-only signals: nothing depends on what their handlers do, or whether they fail."""

from __future__ import annotations

from typing import Any, Final

from blinker import NamedSignal
from flask import Flask

from ..events import StatusEvent
from ..ledger import Ledger
from ..ledger.context import handling
from ..log_fields import get_logger, log_fields
from ..signals import event_dead
from .calling import call, failures
from .handlers import connected, identity

logger = get_logger(__name__)

TOO_MUCH: Final = "too many attempts, or too much time"
GAVE_UP: Final = "a handler gave up, and no other is left to call"


def bury(app: Flask, ledger: Ledger, event: StatusEvent, why: str = TOO_MUCH) -> None:
    """Log and signal that *event* is dead."""
    logger.error(
        "%s of message %s is dead: %s. `flask fd-whatsapp events --state dead` lists dead events, "
        "`flask fd-whatsapp retry --dead` retries them.",
        event.status,
        event.message_id,
        why,
    )
    with handling(app, ledger):
        notify(event_dead, app, event=event)


def notify(signal: NamedSignal, app: Flask, **arguments: Any) -> None:
    """Send a notification-only signal: a failing handler is logged, and has no other effect."""
    for function in connected(signal, app):
        try:
            call(app, function, **arguments)
        except failures():
            name = identity(signal, function)
            logger.exception("Handler %s failed.", name, extra=log_fields(handler=name))
