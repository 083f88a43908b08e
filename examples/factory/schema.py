"""Events with a field more than Freshdesk documents."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow import fields

from flask_fd_whatsapp import OutboundMessageEventSchema, StatusEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandedEvent(StatusEvent):
    """An event that says for which of the account's brands the message was sent."""

    brand: str | None = None


class BrandedEventSchema(OutboundMessageEventSchema):
    """The payload with a ``brand`` beside ``account_id``; events without one are taken too."""

    event_class = BrandedEvent

    brand = fields.String(load_default=None, allow_none=True)
