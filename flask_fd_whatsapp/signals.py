"""The signals, sent with the application object as sender and keyword arguments only.

For one event the order is ``message_<status>``, ``status_changed``, ``status_received``;
within a signal, the order of connection.  Blinker holds receivers weakly: connect a
function of a module, or use ``connect_via(app)`` for one defined inside a factory.
"""

from __future__ import annotations

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
_BY_STATUS: Final[dict[str, NamedSignal]] = {}


def _message(status: Status, doc: str) -> NamedSignal:
    """The signal of a status: ``message_<status>``."""
    signal = _namespace.signal(f"message_{status.lower()}", doc=f"{doc} Argument: ``event``.")
    _BY_STATUS[status] = signal
    return signal


message_queued: Final = _message(
    Status.QUEUED, "Freshdesk has the message and will submit it to WhatsApp."
)
message_sent: Final = _message(Status.SENT, "The message was submitted to WhatsApp.")
message_delivered: Final = _message(
    Status.DELIVERED,
    "The message reached the recipient's device; skipped by WhatsApp now and then when the message "
    "is read at once.",
)
message_read: Final = _message(Status.READ, "The recipient opened the message.")
message_failed: Final = _message(
    Status.FAILED,
    "The message failed; ``event.error`` says why, and ``event.is_stale`` is true if it had been "
    "delivered all the same.",
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

EVENT_SIGNALS: Final = (*_BY_STATUS.values(), status_changed, status_received)
"""The signals whose handlers are recorded in the ledger, in the order they are sent."""

NOTICES: Final = (webhook_rejected, handler_failed, event_dead)
"""The signals that only tell: their handlers are called once and never again."""


def signals_of(event: StatusEvent) -> tuple[NamedSignal, ...]:
    """The signals of *event*, in the order they are sent."""
    own = _BY_STATUS.get(event.status)
    if own is None:  # an unknown status, or one that nobody has given a signal
        if rank_of(event.status) is None or event.is_stale:
            return (status_received,)
        return (status_changed, status_received)
    if event.is_stale:
        return (own, status_received)
    return (own, status_changed, status_received)
