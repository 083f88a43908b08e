"""Which fields a schema knows, and which parts of a payload it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from marshmallow import Schema
from marshmallow.fields import Field, Nested

from .fields import Lenient, Reference, Text, Timestamp

MOST: Final = 200
"""How many fields of one object are inspected."""

_ANYTHING: Final = frozenset({dict, list, str, int, float, bool})


class Unknown(NamedTuple):
    """An unknown field, or a known one of an unknown type.

    :param path: the path of the object that contains it: empty, or such as ``data.``.
    :param is_field: whether the field itself is unknown.
    :param is_told: whether loading the field already logs that its value cannot be used.
    """

    path: str
    key: str
    value: Any
    is_field: bool
    is_told: bool = False


class KnownFields:
    """The fields of *schema* and of its nested objects, with the known types of each."""

    def __init__(self, schema: Schema, path: str = "") -> None:
        self._path = path
        self._fields = {field.data_key or name: field for name, field in schema.load_fields.items()}
        self._types = {key: _types_of(field) for key, field in self._fields.items()}
        self._parts = {
            key: KnownFields(field.schema, f"{path}{key}.")
            for key, field in self._fields.items()
            if isinstance(field, Nested)
        }

    def unknown_in(self, part: Mapping[str, Any]) -> Iterator[Unknown]:
        """Return the unknown parts of *part*."""
        for key, value in islice(part.items(), MOST):
            field = self._fields.get(key)
            if field is None:
                yield Unknown(self._path, key, value, is_field=True)
            elif key in self._parts and isinstance(value, dict):
                yield from self._parts[key].unknown_in(value)
            elif value is not None and type(value) not in self._types[key]:
                is_told = isinstance(field, Lenient) and field.deserialize(value) is None
                yield Unknown(self._path, key, value, is_field=False, is_told=is_told)


def _types_of(field: Field[Any]) -> frozenset[type]:
    if isinstance(field, Nested):
        return frozenset({dict})
    if isinstance(field, Reference):
        return frozenset({str, int, float, dict, list})
    if isinstance(field, Timestamp):
        return frozenset({str, int, float})
    if isinstance(field, Text):
        return frozenset({str, int, float} if field.numbers else {str})
    return _ANYTHING  # a field of the host's own, which is not judged here
