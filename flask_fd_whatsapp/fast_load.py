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
from .schemas import OutboundMessageEventSchema

_Take = Callable[[Any, str, Mapping[str, Any]], Any]
"""Loads a value that is not ``None``, like ``Field.deserialize``."""

_FromText = Callable[[str], Any]
"""The same for a text."""

_TakePart = Callable[[Any, list[str]], dict[str, Any]]
"""Loads an object, and adds the keys that its schema does not know to the list."""


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
    take, make_event = _take_part(schema), schema._make_event

    def load(payload: dict[str, Any]) -> Any:
        unknown: list[str] = []
        try:
            values = take(payload, unknown)
        except (_Unusual, ValidationError):
            unusual(payload)
            return schema.load(payload)
        if unknown:
            unusual(payload)
        return make_event(values, payload)

    return load


def _take_part(schema: Schema) -> _TakePart:
    steps = {
        field.data_key or name: (field.attribute or name, *_ways(field))
        for name, field in schema.load_fields.items()
    }
    defaults = {
        field.attribute or name: None
        for name, field in schema.load_fields.items()
        if field.allow_none and field.load_default is None
    }
    step_of, count = steps.get, len(steps)

    def take(part: Any, unknown: list[str]) -> dict[str, Any]:
        if type(part) is not dict:
            raise _Unusual
        values: dict[str, Any] = defaults.copy()
        for key, value in part.items():
            step = step_of(key)
            if step is None:
                unknown.append(key)
                continue
            name, from_text, take_value, take_part = step
            if type(value) is str:
                values[name] = value if from_text is None else from_text(value)
            elif value is None:
                if name not in defaults:
                    raise _Unusual
            elif take_part is None:
                values[name] = take_value(value, key, part)
            else:
                values[name] = take_part(value, unknown)
        if len(values) != count:
            raise _Unusual
        return values

    return take


def _ways(field: Field[Any]) -> tuple[_FromText | None, _Take, _TakePart | None]:
    """Return three ways to load a field: from a text, from any other value, and from an object.

    The first is ``None`` if a text stays as it is, the last if the field is not a nested schema.
    """
    if isinstance(field, Nested):
        return _refuse, field.deserialize, _take_part(field.schema)
    # pre_load and post_load were added in marshmallow 4.3.
    if not isinstance(field, Text) or any(
        getattr(field, steps, None) for steps in ("validators", "pre_load", "post_load")
    ):
        return field.deserialize, field.deserialize, None
    from_text = None if type(field).from_text is Text.from_text else field.from_text
    # Schema.load reports a detail that is not usable, and sets it to None.
    take = super(Lenient, field)._deserialize if isinstance(field, Lenient) else field._deserialize
    return from_text, take, None


def _refuse(_: str) -> Never:
    raise _Unusual
