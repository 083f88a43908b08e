"""What the package's own fields accept, as JSON Schema.

A conversion by a field's class alone would say too little or too much: a strict one accepts more
than a string, and a lenient one refuses nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any, Final

from marshmallow.fields import Field, Nested

from ..events import EVENT_TYPE, Status
from ..fields import (
    ActorField,
    ErrorField,
    EventType,
    Identifier,
    Lenient,
    Reference,
    StatusField,
    Text,
    Timestamp,
)

Shape = dict[str, Any]

_CONTROL: Final = r"\u0000-\u001F\u007F-\u009F"
_BLANK: Final = (
    r"\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
)
_IDENTIFIER: Final = rf"^[^{_CONTROL}]{{1,255}}$"
_STATUS: Final = (
    rf"^[{_BLANK}]*[^{_CONTROL}{_BLANK}](?:[^{_CONTROL}]{{0,253}}[^{_CONTROL}{_BLANK}])?"
    rf"[{_BLANK}]*$"
)
_ANY_CASE: Final = "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in EVENT_TYPE)
EVENT_TYPE_PATTERN: Final = rf"^[{_BLANK}]*{_ANY_CASE}[{_BLANK}]*$"

_YEAR: Final = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR: Final = (
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
)
_DATE: Final = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_MINUTE: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_RFC3339: Final = rf"^{_DATE}[Tt ]{_MINUTE}:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:[Zz]|[+\-]{_MINUTE})$"
_UNIX_DIGITS: Final = (
    "^(?:0{0,6}[0-9]{1,14}|0{0,5}(?:1[0-9]{14}|2[0-4][0-9]{13}|25[0-2][0-9]{12}|253[0-3][0-9]{11}"
    "|25340[01][0-9]{9}|253402[0-2][0-9]{8}|253402300[0-7][0-9]{5}))$"
)
"""At most 20 digits, up to the last millisecond of the year 9999."""

_TIME: Final[list[Shape]] = [
    {
        "type": "string",
        "pattern": _RFC3339,
        "description": "An RFC 3339 date-time, of which the digits past the microsecond are cut "
        "off. A blank may stand for the T.",
        "examples": ["2025-11-18T09:25:46.167422931Z"],
    },
    {"type": "string", "pattern": _UNIX_DIGITS, "description": "Unix time, as for numbers."},
    {
        "type": "number",
        "minimum": -62_135_596_800,
        "exclusiveMaximum": 253_402_300_800_000,
        "description": "Unix time: in seconds, from 10^11 on in milliseconds.",
    },
    {
        "type": "number",
        "minimum": -62_135_596_800_000,
        "maximum": -100_000_000_000,
        "description": "Unix time in milliseconds, before 1970.",
    },
]

_ANYTHING: Final[Shape] = {
    "description": "Anything else, or nothing, is accepted too, and treated as null: this detail "
    "never causes an event to be rejected."
}

Resolve = Callable[[Nested], Shape]
"""Returns the reference to a nested schema."""


def shape_of(field: Field[Any], resolve: Resolve) -> Shape | None:
    """Return what *field* accepts; ``None`` if it is not one of the package's own.

    :param resolve: returns the reference to a nested schema.
    """
    documented = _documented(field, resolve)
    if documented is None:
        return None
    if isinstance(field, Lenient):
        return {"anyOf": [*documented, _ANYTHING]}
    if field.allow_none:
        documented = [*documented, {"type": "null"}]
    return documented[0] if len(documented) == 1 else {"anyOf": documented}


@singledispatch
def _documented(field: Field[Any], resolve: Resolve) -> list[Shape] | None:
    """Return the shapes that *field* can interpret."""
    return None


@_documented.register
def _(field: Text, resolve: Resolve) -> list[Shape]:
    return [{"type": "string"}, *([{"type": "number"}] if field.numbers else [])]


@_documented.register
def _(field: Identifier, resolve: Resolve) -> list[Shape]:
    text = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _IDENTIFIER}
    return [text, *([{"type": "number"}] if field.numbers else [])]


@_documented.register
def _(field: Reference, resolve: Resolve) -> list[Shape]:
    structured = {"type": ["array", "object"], "description": "Taken as its JSON text."}
    return [{"type": "string"}, {"type": "number"}, structured]


@_documented.register
def _(field: EventType, resolve: Resolve) -> list[Shape]:
    return [{"type": "string", "pattern": EVENT_TYPE_PATTERN, "examples": [EVENT_TYPE]}]


@_documented.register
def _(field: StatusField, resolve: Resolve) -> list[Shape]:
    return [
        {"enum": [status.value for status in Status]},
        {
            "type": "string",
            "pattern": _STATUS,
            "description": "One of these in any case and with blanks around it, or a new one: it "
            "is recorded and changes no message's status.",
        },
    ]


@_documented.register
def _(field: Timestamp, resolve: Resolve) -> list[Shape]:
    return _TIME


@_documented.register
def _(field: ActorField, resolve: Resolve) -> list[Shape]:
    return [resolve(field), {"type": "string", "description": "The name."}]


@_documented.register
def _(field: ErrorField, resolve: Resolve) -> list[Shape]:
    return [
        resolve(field),
        {"type": "array", "description": "The first entry counts."},
        {"type": "string", "description": "The message."},
        {"type": "number", "description": "The code."},
    ]


_REPLACED: Final = ("type", "format", "default", "anyOf", "allOf", "$ref")
_OF_ANY_SHAPE: Final = ("title", "description", "examples", "deprecated", "readOnly", "writeOnly")


def attribute_function(
    converter: Any, field: Field[Any], ret: dict[str, Any] | None = None, **_: Any
) -> Mapping[str, Any]:
    """The attribute function of apispec's converter for the package's fields.

    :param ret: the result of the converter's own functions; the shape replaces it, except for what
        a strict field's validators and a host's metadata say.
    """
    shape = shape_of(field, lambda nested: dict(converter.resolve_nested_schema(nested.schema)))
    if shape is None or ret is None:
        return {}
    for key in list(ret):
        if key in _REPLACED or (isinstance(field, Lenient) and key not in _OF_ANY_SHAPE):
            del ret[key]
    return shape
