"""The signals, sent with the application object as sender and keyword arguments only.

For one event the order is ``message_<status>``, ``status_changed``, ``status_received``;
within a signal, the order of connection.  Blinker holds receivers weakly: connect a
function of a module, or use ``connect_via(app)`` for one defined inside a factory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from blinker import NamedSignal, Namespace

from .events import Status, StatusEvent, rank_of

_namespace = Namespace()

status_received: Final = _namespace.signal(
    "status_received",
    doc="An event came in, whatever its status, stale and unknown ones included. "
    "Sent last. Argument: ``event``.",
)
status_changed: Final = _namespace.signal(
    "status_changed",
    doc="A message moved forward: never sent for a stale event or an unknown status. "
    "Argument: ``event``, whose ``previous_status`` says from where.",
)
message_queued: Final = _namespace.signal(
    "message_queued",
    doc="Freshdesk has the message and will submit it to WhatsApp. Argument: ``event``.",
)
message_sent: Final = _namespace.signal(
    "message_sent", doc="The message was submitted to WhatsApp. Argument: ``event``."
)
message_delivered: Final = _namespace.signal(
    "message_delivered",
    doc="The message reached the recipient's device; skipped by WhatsApp now and then "
    "when the message is read at once. Argument: ``event``.",
)
message_read: Final = _namespace.signal(
    "message_read", doc="The recipient opened the message. Argument: ``event``."
)
message_failed: Final = _namespace.signal(
    "message_failed",
    doc="The message failed; ``event.error`` says why, and ``event.is_stale`` is true if it "
    "had been delivered all the same. Argument: ``event``.",
)
webhook_rejected: Final = _namespace.signal(
    "webhook_rejected",
    doc="A request was not accepted. Arguments: ``reason`` (``unauthenticated``, ``account``, "
    "``too_large``, ``not_json``, ``not_object``, ``invalid``), ``status_code`` (as answered) "
    "and ``errors`` (messages by field path, empty unless ``invalid``).",
)
handler_failed: Final = _namespace.signal(
    "handler_failed",
    doc="A handler raised; it is called again unless the event is dead by it. Arguments: "
    "``event``, ``handler`` (its identity) and ``exception``.",
)
event_dead: Final = _namespace.signal(
    "event_dead",
    doc="An event has failed ``FD_WHATSAPP_MAX_ATTEMPTS`` times, or for longer than "
    "``FD_WHATSAPP_GIVE_UP_AFTER``, or a handler gave up and none is left to call. Argument: "
    "``event``.",
)

_BY_STATUS: Final[Mapping[str, NamedSignal]] = {
    Status.QUEUED: message_queued,
    Status.SENT: message_sent,
    Status.DELIVERED: message_delivered,
    Status.READ: message_read,
    Status.FAILED: message_failed,
}

EVENT_SIGNALS: Final = (*_BY_STATUS.values(), status_changed, status_received)
"""The signals whose handlers are recorded in the ledger, in the order they are sent."""

NOTICES: Final = (webhook_rejected, handler_failed, event_dead)
"""The signals that only tell: their handlers are called once and never again."""


def signals_of(event: StatusEvent) -> tuple[NamedSignal, ...]:
    """The signals of *event*, in the order they are sent."""
    if rank_of(event.status) is None:
        return (status_received,)
    if event.is_stale:
        return (_BY_STATUS[event.status], status_received)
    return (_BY_STATUS[event.status], status_changed, status_received)
