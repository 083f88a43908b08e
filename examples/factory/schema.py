"""Events with a field that Freshdesk does not document."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow import fields

from flask_fd_whatsapp import OutboundMessageEventSchema, StatusEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandedEvent(StatusEvent):
    """An event with the brand for which the message was sent."""

    brand: str | None = None


class BrandedEventSchema(OutboundMessageEventSchema):
    """The payload with an optional ``brand`` next to ``account_id``."""

    event_class = BrandedEvent

    brand = fields.String(load_default=None, allow_none=True)
