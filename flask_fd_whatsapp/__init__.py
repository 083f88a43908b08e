"""Receives Freshdesk's WhatsApp webhooks in a Flask application."""

import typing

from . import on_access
from .blueprint import FreshdeskWhatsApp
from .events import Actor, DeliveryError, Status, StatusEvent
from .exceptions import ConfigurationError, FreshdeskWhatsAppError, GiveUp, RetryLater
from .failure_reasons import FailureClass
from .handling.handlers import handler_name
from .ledger.context import current_ledger
from .schemas import OutboundMessageEventSchema
from .signals import (
    event_dead,
    handler_failed,
    message_delivered,
    message_failed,
    message_queued,
    message_read,
    message_sent,
    status_changed,
    status_received,
    webhook_rejected,
)

if typing.TYPE_CHECKING:
    from .accounts import Account
    from .receiving.worker import handle_event
else:
    __getattr__, __dir__ = on_access.imported(
        __name__, {"accounts": ["Account"], "receiving.worker": ["handle_event"]}
    )

__all__ = [
    "Account",
    "Actor",
    "ConfigurationError",
    "DeliveryError",
    "FailureClass",
    "FreshdeskWhatsApp",
    "FreshdeskWhatsAppError",
    "GiveUp",
    "OutboundMessageEventSchema",
    "RetryLater",
    "Status",
    "StatusEvent",
    "current_ledger",
    "event_dead",
    "handle_event",
    "handler_failed",
    "handler_name",
    "message_delivered",
    "message_failed",
    "message_queued",
    "message_read",
    "message_sent",
    "status_changed",
    "status_received",
    "webhook_rejected",
]
