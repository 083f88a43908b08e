"""What is posted to the API to send a message."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

_SOME = validate.Length(min=1)


class _Part(Schema):
    class Meta:
        unknown = EXCLUDE


def _part(data_key: str | None = None, **parts: Any) -> fields.Nested:
    return fields.Nested(_Part.from_dict(parts), required=True, data_key=data_key)


class OutboundMessageRequest(_Part):
    """The body of ``POST /api/v2/channels/outbound-messages``, as far as it is known."""

    channel_type = fields.String(required=True, validate=validate.Equal("WHATSAPP"))
    external_reference_id = fields.String(load_default=None)
    sender = _part("from", channel_identifier=fields.String(required=True, validate=_SOME))
    to = _part(recipient_identifier=fields.String(required=True, validate=_SOME))
    message = _part(
        type=fields.String(required=True, validate=validate.Equal("TEMPLATE")),
        template=_part(
            name=fields.String(required=True, validate=_SOME),
            language=_part(code=fields.String(required=True, validate=_SOME)),
            components=fields.List(fields.Dict(), load_default=list),
        ),
    )
