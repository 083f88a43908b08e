"""Freshdesk itself: the rules of its form, its API, and the ids of its messages."""

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
    "Refused",
    "SendUnknown",
    "Sent",
    "TemplateMessage",
    "URLButton",
    "Unreachable",
    "UnusableAnswer",
    "Video",
    "WebhookForm",
]


def __getattr__(name: str) -> Any:
    """Import the client when it is asked for: it needs an extra."""
    if name != "FreshdeskClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .api_client import FreshdeskClient

    return FreshdeskClient
