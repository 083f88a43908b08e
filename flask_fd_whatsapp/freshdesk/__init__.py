"""Freshdesk itself: the rules of its form, its API, and its message ids."""

from typing import TYPE_CHECKING, Any

from .api_errors import (
    AlreadySent,
    FieldError,
    FreshdeskAPIError,
    MessageNotFound,
    NotAllowed,
    NotSent,
    RateLimited,
    Refused,
    SendUnknown,
    Unreachable,
    UnusableAnswer,
)
from .form import WebhookForm
from .outbound_message import OutboundMessage, Sent
from .template_message import Document, Image, TemplateMessage, URLButton, Video

if TYPE_CHECKING:
    from .api_client import FreshdeskClient
    from .client_lookup import client_for, current_client
    from .reconciler import reconcile
    from .reconciliation import Reconciliation
    from .recording_client import RecordingClient

__all__ = [
    "AlreadySent",
    "Document",
    "FieldError",
    "FreshdeskAPIError",
    "FreshdeskClient",
    "Image",
    "MessageNotFound",
    "NotAllowed",
    "NotSent",
    "OutboundMessage",
    "RateLimited",
    "Reconciliation",
    "RecordingClient",
    "Refused",
    "SendUnknown",
    "Sent",
    "TemplateMessage",
    "URLButton",
    "Unreachable",
    "UnusableAnswer",
    "Video",
    "WebhookForm",
    "client_for",
    "current_client",
    "reconcile",
]

_MODULES = {
    "FreshdeskClient": "api_client",
    "Reconciliation": "reconciliation",
    "RecordingClient": "recording_client",
    "client_for": "client_lookup",
    "current_client": "client_lookup",
    "reconcile": "reconciler",
}


def __getattr__(name: str) -> Any:
    """Import the clients on access: they need an extra."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
