"""``fast_load_of`` returns what ``Schema.load`` returns, result or error, for any payload."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import (
    INCLUDE,
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
    validates,
    validates_schema,
)

from flask_fd_whatsapp import OutboundMessageEventSchema, StatusEvent
from flask_fd_whatsapp.fast_load import fast_load_of

from .conftest import PAYLOADS, SAMPLES

SCHEMA = OutboundMessageEventSchema()
LOADED = [json.loads((PAYLOADS / f"{name}.json").read_text()) for name in SAMPLES]
MISSING = object()

PATHS = [
    (),
    *((name,) for name in SCHEMA.fields),
    *(("actor", name) for name in ("id", "name", "type")),
    *(("data", name) for name in SCHEMA.fields["data"].schema.fields),
    *(("data", "error", name) for name in ("code", "message")),
    ("unknown",),
    ("data", "unknown"),
]

TIMES = [
    "",
    "2025-11-18",
    "2025-11-18T09:25:46",
    "2025-11-18 09:25:46Z",
    "2025-11-18t09:25:46.1z",
    "2025-11-18T09:25:46.123456789+05:30",
    "2025-11-18T09:25:46.1234567890Z",
    "2025-11-18T24:00:00Z",
    "2025-11-18T23:59:60Z",
    "2025-02-30T00:00:00Z",
    "2025-11-18T09:25:46Z\n",
    "1763457945",
    "1763457945885",
    "٢٠٢٥-11-18T09:25:46Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01T00:00:00Z",
]
TEXTS = [
    "",
    " ",
    "a" * 255,
    "a" * 256,
    "\x00",
    "\x7f",
    "\ud800",
    "queued",
    "\u017fent",
    "PLAYED",
    " SENT\n",
]
OTHERS = [None, MISSING, True, False, 0, -1, 1.5, 10**400, 1e400, float("nan"), [], {}, [{}]]
OTHERS += [1763457945, 1763457945885, 131026.0, [{"code": 1}], ["m"], {"code": [1]}, [None]]

VALUES = st.one_of(
    st.sampled_from([*TIMES, *TEXTS, *OTHERS]),
    st.text(max_size=5),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda values: (
            st.lists(values, max_size=2)
            | st.dictionaries(st.sampled_from(sorted({p[-1] for p in PATHS if p})), values)
        ),
        max_leaves=4,
    ),
)


def changed(payload: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy of *payload* with *value* at *path*, as far as there is such a place."""
    if not path:
        return payload if value is MISSING else value
    if not isinstance(payload, dict):
        return payload
    key, *rest = path
    new = changed(payload.get(key, {}), tuple(rest), value) if rest else value
    return {k: v for k, v in {**payload, key: new}.items() if v is not MISSING}


def outcome(load: Callable[[Any], Any], payload: Any) -> Any:
    """Everything that can be seen of what *load* does with *payload*."""
    before = repr(payload)
    try:
        event = load(payload)
    except ValidationError as error:
        result: Any = ("refused", error.messages, repr(error.valid_data))
    else:
        parts = dataclasses.fields(event)
        values = {part.name: getattr(event, part.name) for part in parts if part.name != "payload"}
        types = {name: type(value) for name, value in values.items()}
        result = ("loaded", type(event), values, types, event.payload is payload)
    assert repr(payload) == before
    return result


def assert_same(schema: Schema, payload: Any) -> None:
    assert outcome(fast_load_of(schema), payload) == outcome(schema.load, payload)


@pytest.mark.parametrize("sample", LOADED, ids=SAMPLES)
def test_samples_do_not_need_schema_load(sample: dict[str, Any]) -> None:
    """The vendor's samples are loaded without Schema.load, with the same result."""
    schema = OutboundMessageEventSchema()
    load, expected = fast_load_of(schema), outcome(schema.load, sample)

    def refuse(payload: Any) -> None:
        raise AssertionError("Schema.load was called.")

    schema.load = refuse  # type: ignore[method-assign, assignment]
    assert outcome(load, sample) == expected


@pytest.mark.parametrize("sample", LOADED, ids=SAMPLES)
def test_each_field_in_turn(sample: dict[str, Any]) -> None:
    """An odd value in any place gives the same result as Schema.load."""
    for path in PATHS:
        for value in [*TIMES, *TEXTS, *OTHERS]:
            assert_same(SCHEMA, changed(sample, path, value))


def mutants(values: list[Any]) -> Iterator[Any]:
    """Every sample with each of *values* in each place, and the next value in another one."""
    for shift, sample in enumerate(LOADED):
        for number, path in enumerate(PATHS):
            for index, value in enumerate(values):
                mutant = changed(sample, path, value)
                yield mutant
                other = PATHS[(number * 7 + shift + index) % len(PATHS)]
                yield changed(mutant, other, values[index - 1])


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_mutated_payloads(values: list[Any]) -> None:
    """Any values in one or two places give the same result as Schema.load."""
    for mutant in mutants(values):
        assert_same(SCHEMA, mutant)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaggedEvent(StatusEvent):
    tag: str | None = None


class ExtraField(OutboundMessageEventSchema):
    event_class = TaggedEvent
    tag = fields.String(load_default="none")


class ValidatedField(OutboundMessageEventSchema):
    version = fields.String(validate=validate.OneOf(["2.0.0"]))


class BeforeHook(OutboundMessageEventSchema):
    @pre_load
    def rename(self, payload: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**payload, "account_id": "renamed"}


class AfterHook(OutboundMessageEventSchema):
    @post_load
    def refuse(self, event: Any, **_: Any) -> Any:
        raise ValidationError("refused afterwards")


class FieldRule(OutboundMessageEventSchema):
    @validates("account_id")
    def refuse(self, value: str, **_: Any) -> None:
        raise ValidationError("not this account")


class SchemaRule(OutboundMessageEventSchema):
    @validates_schema
    def refuse(self, values: dict[str, Any], **_: Any) -> None:
        raise ValidationError("refused as a whole")


class OwnErrors(OutboundMessageEventSchema):
    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        raise ValidationError({"own": ["error"]})


class OwnLoad(OutboundMessageEventSchema):
    def load(self, data: Any, **_: Any) -> Any:
        return SCHEMA.load({**data, "account_id": "own"})


class Strict(OutboundMessageEventSchema):
    class Meta:
        unknown = RAISE


@pytest.mark.parametrize(
    "schema",
    [
        ExtraField(),
        ValidatedField(),
        BeforeHook(),
        AfterHook(),
        FieldRule(),
        SchemaRule(),
        OwnErrors(),
        OwnLoad(),
        Strict(),
        OutboundMessageEventSchema(unknown=RAISE),
    ],
    ids=lambda schema: type(schema).__name__,
)
def test_custom_schemas_keep_their_ways(schema: Schema) -> None:
    """Fields, hooks and rules of a host's schema are applied: it never loads like the plain one."""
    differences = 0
    for sample in LOADED:
        for path, value in [((), MISSING), (("data",), 1), (("tag",), "t"), (("unknown",), 1)]:
            payload = changed(sample, path, value)
            assert_same(schema, payload)
            differences += outcome(fast_load_of(schema), payload) != outcome(SCHEMA.load, payload)
    assert differences


@pytest.mark.parametrize("options", [{"many": True}, {"partial": True}, {"unknown": INCLUDE}])
def test_options_of_an_instance_count(options: dict[str, Any]) -> None:
    """A schema created with marshmallow's options is left to marshmallow."""
    schema = OutboundMessageEventSchema(**options)
    sample = changed(LOADED[0], ("data", "unknown"), 1)
    for payload in (sample, {**sample, "unknown": 1}, {}):
        results = []
        for load in (fast_load_of(schema), schema.load):
            try:
                results.append(outcome(load, payload))
            except Exception as error:
                results.append(repr(error))
        assert results[0] == results[1]
