"""Loads payloads of the common shape without marshmallow's overhead.

Most of the cost of ``Schema.load`` is between the fields. Here the schema's own fields are called
one after the other; no validation rule is repeated. Any payload that is unusual, or that a field
refuses, falls back to ``Schema.load``, which is authoritative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Never

from marshmallow import EXCLUDE, Schema, ValidationError
from marshmallow.fields import Field, Nested

from .fields import Lenient, Text
from .known_fields import knows_all
from .schemas import OutboundMessageEventSchema

_Take = Callable[[Any, str, Mapping[str, Any]], Any]
"""Loads a value that is not ``None``, like ``Field.deserialize``."""

_FromText = Callable[[str], Any]
"""The same for a text."""


class _Unusual(Exception):
    """The payload has to be loaded by ``Schema.load``."""


def _nothing(_: Mapping[str, Any]) -> None: ...


def fast_load_of(
    schema: Schema, unusual: Callable[[Mapping[str, Any]], None] = _nothing
) -> Callable[[dict[str, Any]], Any]:
    """Return a faster ``schema.load`` if *schema* is the package's own.

    A subclass may have hooks, validators and methods, which only marshmallow can apply.

    :param unusual: called with each payload that is not of the common shape, before it is loaded;
        this includes every payload with unknown fields, or unknown types of fields.
    """
    if (
        type(schema) is not OutboundMessageEventSchema
        or schema.many
        or schema.partial
        or schema.unknown != EXCLUDE
    ):

        def load_unusual(payload: dict[str, Any]) -> Any:
            unusual(payload)
            return schema.load(payload)

        return load_unusual
    take, make_event, is_known = (
        _take_nested(schema),
        schema._make_event,
        knows_all(schema),
    )

    def load(payload: dict[str, Any]) -> Any:
        try:
            values = take(payload, "", payload)
        except (_Unusual, ValidationError):
            unusual(payload)
            return schema.load(payload)
        if not is_known(payload):
            unusual(payload)
        return make_event(values, payload)

    return load


def _take_nested(schema: Schema) -> _Take:
    steps = [
        (
            field.data_key or name,
            field.attribute or name,
            field.allow_none and field.load_default is None,
            *_ways(field),
        )
        for name, field in schema.load_fields.items()
    ]

    def take(part: Any, _key: str, _data: Mapping[str, Any]) -> dict[str, Any]:
        if type(part) is not dict:
            raise _Unusual
        values: dict[str, Any] = {}
        for key, name, is_optional, from_text, take_value in steps:
            value = part.get(key)
            if type(value) is str:
                values[name] = value if from_text is None else from_text(value)
            elif value is not None:
                values[name] = take_value(value, key, part)
            elif is_optional:
                values[name] = None
            else:
                raise _Unusual
        return values

    return take


def _ways(field: Field[Any]) -> tuple[_FromText | None, _Take]:
    """Return how to load a text, ``None`` if it stays as it is; and how to load everything else."""
    if isinstance(field, Nested):
        return _refuse, _take_nested(field.schema)
    # pre_load and post_load were added in marshmallow 4.3.
    if not isinstance(field, Text) or any(
        getattr(field, steps, None) for steps in ("validators", "pre_load", "post_load")
    ):
        return field.deserialize, field.deserialize
    from_text = None if type(field).from_text is Text.from_text else field.from_text
    # Schema.load reports a detail that is not usable, and sets it to None.
    take = super(Lenient, field)._deserialize if isinstance(field, Lenient) else field._deserialize
    return from_text, take


def _refuse(_: str) -> Never:
    raise _Unusual
