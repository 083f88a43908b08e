"""Payload to :class:`StatusEvent` and back; every rule is defined once, in a field.

Strict about what identifies an event (account, event type, message, status, time), lenient about
every detail: see :mod:`flask_fd_whatsapp.fields` for the rules on single values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import EXCLUDE, Schema, ValidationError, post_dump, post_load
from marshmallow.fields import Nested

from .events import Actor, DeliveryError, StatusEvent
from .fields import (
    ActorField,
    ErrorField,
    EventType,
    Identifier,
    ReasonDetail,
    ReferenceDetail,
    StatusField,
    TextDetail,
    Timestamp,
    TimestampDetail,
)


class _Part(Schema):
    path: ClassVar[str] = ""
    """The prefix of the paths of its fields."""

    class Meta:
        unknown = EXCLUDE  # StatusEvent.payload keeps them


class ActorSchema(_Part):
    """``actor``: loads to keyword arguments of :class:`Actor`."""

    path = "actor."

    id = TextDetail(numbers=True, load_default=None)
    name = TextDetail(load_default=None)
    type = TextDetail(load_default=None)


class DeliveryErrorSchema(_Part):
    """``data.error``: loads to keyword arguments of :class:`DeliveryError`."""

    path = "data.error."

    code = ReasonDetail(numbers=True, load_default=None)
    message = ReasonDetail(numbers=True, load_default=None)


class MessageSchema(_Part):
    """``data``: the message and its status."""

    path = "data."

    external_reference_id = ReferenceDetail(load_default=None)
    message_id = Identifier(required=True)
    status = StatusField(required=True)
    timestamp = Timestamp(required=True)
    error = ErrorField(DeliveryErrorSchema, load_default=None)
    errors = ErrorField(DeliveryErrorSchema, load_default=None, load_only=True)

    def error_in(self, part: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what *part* says about an error, in ``error`` or in ``errors``."""
        return _error_of(*(self.fields[key].deserialize(part.get(key)) for key in _ERRORS))


_ERRORS: Final = ("error", "errors")


def _error_of(error: dict[str, Any] | None, errors: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the one of the two that has content; ``error`` if it does."""
    says_something = error is not None and any(part is not None for part in error.values())
    return error if says_something or errors is None else errors


class OutboundMessageEventSchema(_Part):
    """The vendor's ``outbound_message_event``.

    ``load`` returns a :class:`StatusEvent`, ``dump`` the payload: equal values stay as they were
    sent (nine fraction digits, numbers for ids), and unknown fields are kept.

    To carry more, add fields here, and set ``event_class`` to a subclass of :class:`StatusEvent`
    that has them.

    :raises marshmallow.ValidationError: on ``load``, with messages by field.
    """

    event_class: ClassVar[type[StatusEvent]] = StatusEvent

    version = TextDetail(numbers=True, load_default=None)
    account_id = Identifier(required=True)
    account_domain = TextDetail(load_default=None)
    event_type = EventType(required=True)
    event_time = TimestampDetail(load_default=None)
    actor = ActorField(ActorSchema, load_default=None)
    data = Nested(MessageSchema, required=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Resolve ``data`` on ``dump``: the event is flat, so its ``data`` is the event itself."""
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
        errors = values.pop("errors", None)
        error = values["error"] if errors is None else _error_of(values["error"], errors)
        values["error"] = error and DeliveryError(**error)
        return self.event_class(**values, payload=original)

    @post_dump(pass_original=True)
    def _keep_as_sent(self, dumped: dict[str, Any], event: StatusEvent, **_: Any) -> dict[str, Any]:
        return _merge(self, dumped, event.payload)


def _merge(schema: Schema, dumped: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return *dumped*, with the values of *sent* wherever they are equivalent."""
    merged = dict(sent)
    if isinstance(schema, MessageSchema) and sent.get("errors") is not None:
        if schema.error_in(sent) == schema.error_in(dumped):
            dumped = {name: value for name, value in dumped.items() if name not in _ERRORS}
        else:
            del merged["errors"]
    for name, field in schema.dump_fields.items():
        key = field.data_key or name
        if key not in dumped:
            continue
        value, as_sent = dumped[key], sent.get(key)
        if _means(field, as_sent, value):
            continue
        if isinstance(field, Nested) and isinstance(value, dict):
            merged[key] = _merge(field.schema, value, as_sent if isinstance(as_sent, dict) else {})
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _means(field: Any, as_sent: Any, value: Any) -> bool:
    try:
        return bool(field.deserialize(as_sent) == field.deserialize(value))
    except ValidationError:
        return False


def field_errors(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Flatten marshmallow's nested messages by field path (``data.status``).

    :param messages: ``ValidationError.messages``: a list, or a nested dict by field.
    """
    if not isinstance(messages, Mapping):
        return {path or "_schema": [str(message) for message in messages]}
    flat: dict[str, list[str]] = {}
    for key, value in messages.items():
        name = path if key == "_schema" else f"{path}.{key}" if path else str(key)
        for field, texts in field_errors(value, name).items():
            flat.setdefault(field, []).extend(texts)
    return flat
