"""The signals, sent with the application object as sender and keyword arguments only.

The order for one event is ``message_<status>``, ``status_changed``, ``status_received``; within a
signal, the order of connection. Blinker holds receivers weakly: connect a module-level function, or
use ``connect_via(app)`` for one defined inside a factory.
"""

from __future__ import annotations

from typing import Final

from blinker import NamedSignal, Namespace

from .events import Status, StatusEvent, rank_of

_namespace = Namespace()

status_received: Final = _namespace.signal(
    "status_received",
    doc="An event was received, whatever its status; stale events and unknown statuses included. "
    "Sent last. Argument: ``event``.",
)
status_changed: Final = _namespace.signal(
    "status_changed",
    doc="A message moved forward: never sent for a stale event or an unknown status. Argument: "
    "``event``, whose ``previous_status`` is the status it moved from.",
)
_BY_STATUS: Final[dict[str, NamedSignal]] = {}


def _message(status: Status, doc: str) -> NamedSignal:
    """Create the signal of a status: ``message_<status>``."""
    signal = _namespace.signal(f"message_{status.lower()}", doc=f"{doc} Argument: ``event``.")
    _BY_STATUS[status] = signal
    return signal


message_queued: Final = _message(
    Status.QUEUED, "Freshdesk has the message and will submit it to WhatsApp."
)
message_sent: Final = _message(Status.SENT, "The message was submitted to WhatsApp.")
message_delivered: Final = _message(
    Status.DELIVERED,
    "The message reached the recipient's device; WhatsApp sometimes skips this status when the "
    "message is read at once.",
)
message_read: Final = _message(Status.READ, "The recipient opened the message.")
message_failed: Final = _message(
    Status.FAILED,
    "The message failed; ``event.error`` has the reason, and ``event.is_stale`` is true if it had "
    "been delivered before.",
)
webhook_rejected: Final = _namespace.signal(
    "webhook_rejected",
    doc="A request was rejected. Arguments: ``reason`` (``unauthenticated``, ``account``, "
    "``too_large``, ``not_json``, ``not_object``, ``invalid``), ``status_code`` (of the "
    "answer) and ``errors`` (messages by field path, empty unless ``invalid``).",
)
handler_failed: Final = _namespace.signal(
    "handler_failed",
    doc="A handler raised an exception; it is called again unless the event is dead. Arguments: "
    "``event``, ``handler`` (its identity) and ``exception``.",
)
event_dead: Final = _namespace.signal(
    "event_dead",
    doc="An event is dead: it has failed ``FD_WHATSAPP_MAX_ATTEMPTS`` times, or for longer than "
    "``FD_WHATSAPP_GIVE_UP_AFTER``, or a handler gave up and no other is left to call. "
    "Argument: ``event``.",
)

EVENT_SIGNALS: Final = (*_BY_STATUS.values(), status_changed, status_received)
"""The signals whose handlers are recorded in the ledger, in the order they are sent."""

NOTICES: Final = (webhook_rejected, handler_failed, event_dead)
"""Notification-only signals: their handlers are called once and not retried."""


def signals_of(event: StatusEvent) -> tuple[NamedSignal, ...]:
    """Return the signals of *event*, in the order they are sent."""
    own = _BY_STATUS.get(event.status)
    if own is None:  # an unknown status, or one without a signal
        if rank_of(event.status) is None or event.is_stale:
            return (status_received,)
        return (status_changed, status_received)
    if event.is_stale:
        return (own, status_received)
    return (own, status_changed, status_received)
