"""Payload to :class:`StatusEvent` and back: every rule stands once, in a field.

Lenient in what does no harm (missing details, numbers for text, unknown fields), strict in
what does (identity, status, time).  The fields' rules on single values are in
:mod:`flask_fd_whatsapp.fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, post_dump, post_load, validate
from marshmallow.fields import Nested

from .events import EVENT_TYPE, Actor, DeliveryError, StatusEvent
from .fields import Identifier, StatusField, Text, Timestamp


class _Part(Schema):
    class Meta:
        unknown = EXCLUDE  # StatusEvent.payload keeps them


class ActorSchema(_Part):
    """``actor``: loads to keyword arguments of :class:`Actor`."""

    id = Text(numbers=True, load_default=None)
    name = Text(load_default=None)
    type = Text(load_default=None)


class DeliveryErrorSchema(_Part):
    """``data.error``: loads to keyword arguments of :class:`DeliveryError`."""

    code = Text(numbers=True, load_default=None)
    message = Text(load_default=None)


class MessageSchema(_Part):
    """``data``: the message and what became of it."""

    external_reference_id = Identifier(blank_is_none=True, load_default=None)
    message_id = Identifier(required=True)
    status = StatusField(required=True)
    timestamp = Timestamp(required=True)
    error = Nested(DeliveryErrorSchema, load_default=None)


class OutboundMessageEventSchema(_Part):
    """The vendor's ``outbound_message_event``.

    ``load`` gives a :class:`StatusEvent`, ``dump`` the payload: values that mean the same
    stay as they were sent (nine fraction digits, numbers for ids), unknown fields are kept.

    To carry more, add fields here and name a subclass of :class:`StatusEvent` that has them
    as ``event_class``.

    :raises marshmallow.ValidationError: on ``load``, with messages by field.
    """

    event_class: ClassVar[type[StatusEvent]] = StatusEvent

    version = Text(numbers=True, load_default=None)
    account_id = Identifier(required=True)
    account_domain = Text(load_default=None)
    event_type = Text(required=True, validate=validate.Equal(EVENT_TYPE))
    event_time = Timestamp(load_default=None)
    actor = Nested(ActorSchema, load_default=None)
    data = Nested(MessageSchema, required=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The event is flat: on ``dump`` its ``data`` is the event itself."""
        if attr == "data" and isinstance(obj, StatusEvent):
            return obj
        return super().get_attribute(obj, attr, default)

    @post_load(pass_original=True)
    def _make_event(
        self, values: dict[str, Any], original: dict[str, Any], **_: Any
    ) -> StatusEvent:
        values.update(values.pop("data"))
        if values["actor"] is not None:
            values["actor"] = Actor(**values["actor"])
        if values["error"] is not None:
            values["error"] = DeliveryError(**values["error"])
        return self.event_class(**values, payload=original)

    @post_dump(pass_original=True)
    def _keep_as_sent(self, dumped: dict[str, Any], event: StatusEvent, **_: Any) -> dict[str, Any]:
        return _merge(self, dumped, event.payload)


def _merge(schema: Schema, dumped: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """*dumped*, with the values of *sent* wherever they mean the same."""
    merged = dict(sent)
    for name, field in schema.dump_fields.items():
        key = field.data_key or name
        value, as_sent = dumped.get(key), sent.get(key)
        if isinstance(field, Nested) and isinstance(value, dict):
            merged[key] = _merge(field.schema, value, as_sent if isinstance(as_sent, dict) else {})
        elif value is None:
            if key in merged and not _means(field, as_sent, None):
                del merged[key]
        elif not _means(field, as_sent, value):
            merged[key] = value
    return merged


def _means(field: Any, as_sent: Any, value: Any) -> bool:
    try:
        return bool(field.deserialize(as_sent) == field.deserialize(value))
    except ValidationError:
        return False


def field_errors(messages: Any, path: str = "") -> dict[str, list[str]]:
    """marshmallow's nested messages, flat by field path (``data.status``).

    :param messages: ``ValidationError.messages``: a list, or a dict of such by field.
    """
    if not isinstance(messages, Mapping):
        return {path or "_schema": [str(message) for message in messages]}
    flat: dict[str, list[str]] = {}
    for key, value in messages.items():
        name = path if key == "_schema" else f"{path}.{key}" if path else str(key)
        for field, texts in field_errors(value, name).items():
            flat.setdefault(field, []).extend(texts)
    return flat
