"""Calls an event's handlers one by one, isolated: a failing one does not stop the others."""

from __future__ import annotations

from ..ledger import Tried
from ..log_fields import get_logger
from ..signals import signals_of, status_changed
from ..throttle import Once
from .attempt import Attempt
from .handlers import Handler
from .known_handlers import known_handlers_of
from .watchdog import watchdog

logger = get_logger(__name__)


def dispatch(attempt: Attempt, unheard: Once) -> None:
    """Call the event's handlers that have not succeeded yet, and end the attempt.

    :param unheard: throttles the warning about events that reach no handler.
    :raises ClaimLost: if the lease expired; what is not recorded by then will be repeated.
    :raises LedgerUnavailable: likewise, if the ledger went down.
    """
    due, superseded = _due(attempt)
    attempt.tried.superseded = superseded
    event = attempt.event
    # A stale event is not sent to status_changed, which may have handlers.
    has_reached = due or superseded or attempt.recorded.succeeded or event.is_stale
    if not has_reached and unheard.admit(None):
        logger.warning(
            "No handler is connected for %s (%s): the event is recorded, but nothing handles it. "
            "`flask fd-whatsapp check` lists the connected handlers. Logged once.",
            event.status,
            ", ".join(signal.name for signal in signals_of(event)),
        )
    try:
        watchdog.enter(attempt)
        for handler in due:
            attempt.call(handler, is_last=handler is due[-1])
        attempt.end()
    finally:
        watchdog.leave(attempt)


def dispatch_one(attempt: Attempt, name: str) -> bool | None:
    """Call the handler *name* with a settled event, and record its success.

    :return: whether it succeeded; ``None`` if it was not called, since the event has no such
        handler, it has succeeded before, or it is a ``status_changed`` handler and its message has
        moved past the event.
    """
    due, superseded = _due(attempt)
    called = [handler for handler in due if handler.name == name]
    try:
        watchdog.enter(attempt)
        for handler in called:
            attempt.call(handler, is_last=False)
    finally:
        watchdog.leave(attempt)
    attempt.claim.finish(Tried(superseded=[other for other in superseded if other == name]))
    tried = attempt.tried
    return not (tried.failed or tried.postponed or tried.gave_up) if called else None


def _due(attempt: Attempt) -> tuple[list[Handler], list[str]]:
    """Return the handlers to call, and the names of those that the message has moved past."""
    recorded = attempt.recorded
    handlers = known_handlers_of(signals_of(attempt.event), attempt.app)
    if not (recorded.succeeded or recorded.superseded):
        return handlers, []
    due: list[Handler] = []
    superseded: list[str] = []
    for handler in handlers:
        if handler.name in recorded.succeeded:
            continue
        if recorded.superseded and handler.signal is status_changed:
            superseded.append(handler.name)
        else:
            due.append(handler)
    return due, superseded
