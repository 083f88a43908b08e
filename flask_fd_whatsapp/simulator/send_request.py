"""The request that sends a message through the API, and the API's validation of it.

Fields and codes are those of a public copy of the API's documentation (January 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

KINDS: Final = ("text", "image", "document", "video")
MODES: Final = ("detailed", "default_text", "none")
MOST_TAGS: Final = 30
LONGEST_TAG: Final = 32
MOST_CUSTOM_FIELDS: Final = 2

_MISSING: Final = "Missing data for required field."
_UNKNOWN: Final = "Unknown field."
_SOME = validate.Length(min=1)


class _Part(Schema):
    class Meta:
        unknown = RAISE


def _part(parts: type[_Part] | dict[str, Any], **options: Any) -> fields.Nested:
    schema = _Part.from_dict(parts) if isinstance(parts, dict) else parts
    return fields.Nested(schema, **options)


def _text(**options: Any) -> fields.String:
    return fields.String(**{"required": True, "validate": _SOME, **options})


def _one_of(*values: str, **options: Any) -> fields.String:
    return _text(validate=validate.OneOf(values), **options)


class _Parameter(_Part):
    """The value of a placeholder."""

    type = _one_of(*KINDS)
    text = fields.String()
    image = _part({"link": fields.Url(required=True)})
    document = _part({"link": fields.Url(required=True)})
    video = _part({"link": fields.Url(required=True)})

    @validates_schema
    def _has_what_its_type_says(self, data: Mapping[str, Any], **_: Any) -> None:
        own = data.get("type")
        wrong = {kind: [_UNKNOWN] for kind in KINDS if kind != own and kind in data}
        if own not in data:
            wrong[str(own)] = [_MISSING]
        if wrong:
            raise ValidationError(wrong)


class _Component(_Part):
    """A part of the template that has placeholders."""

    type = _one_of("header", "body", "button")
    sub_type = _one_of("url", required=False)
    index = fields.Raw()  # documented as a number, but text in the samples
    parameters = fields.List(fields.Nested(_Parameter), required=True, validate=_SOME)

    @validates_schema
    def _is_a_button(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("type") != "button":
            for name in ("sub_type", "index"):
                if name in data:
                    raise ValidationError(_UNKNOWN, name)
            return
        for name in ("sub_type", "index"):
            if name not in data:
                raise ValidationError(_MISSING, name)
        index = data["index"]
        if isinstance(index, bool) or not isinstance(index, (int, str)):
            raise ValidationError("Not a valid integer.", "index")
        if not str(index).isdecimal():
            raise ValidationError("Has to be a place, counted from 0.", "index")


class _OnReply(_Part):
    mode = _one_of(*MODES)
    text = fields.String()

    @validates_schema
    def _has_its_text(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("mode") == "default_text" and not data.get("text"):
            raise ValidationError(_MISSING, "text")


_TEMPLATE: Final = {
    "name": _text(),
    "language": _part({"code": _text()}, required=True),
    "components": fields.List(fields.Nested(_Component)),
}
_TICKET: Final = {
    "tags": fields.List(
        fields.String(validate=validate.Length(1, LONGEST_TAG)),
        validate=validate.Length(max=MOST_TAGS),
    ),
    "custom_fields": fields.Dict(
        keys=fields.String(), validate=validate.Length(max=MOST_CUSTOM_FIELDS)
    ),
}


class OutboundMessageRequest(_Part):
    """The body of ``POST /api/v2/channels/outbound-messages``."""

    channel_type = _one_of("WHATSAPP")
    external_reference_id = fields.String()
    sender = _part({"channel_identifier": _text()}, required=True, data_key="from")
    to = _part({"recipient_identifier": _text()}, required=True)
    message = _part(
        {"type": _one_of("TEMPLATE"), "template": _part(_TEMPLATE, required=True)}, required=True
    )
    note_policy = _part({"on_reply": _part(_OnReply, required=True)})
    ticket_properties = _part(_TICKET)


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """List the errors like the API does: a field's path, a sentence and a code."""
    return list(_listed(error.messages_dict))


def _listed(messages: Mapping[Any, Any], path: str = "") -> Iterator[dict[str, str]]:
    for name, value in messages.items():
        at = path if name == "_schema" else f"{path}.{name}" if path else str(name)
        if isinstance(value, dict):
            yield from _listed(value, at)
        else:
            for text in value:
                yield {"field": at, "message": str(text), "code": _code(str(text))}


def _code(text: str) -> str:
    if text == _MISSING:
        return "missing_field"
    if text == _UNKNOWN:
        return "invalid_field"
    is_of_type = text.startswith(("Not a valid", "Invalid input", "Field may not be null"))
    return "datatype_mismatch" if is_of_type and "URL" not in text else "invalid_value"
