from __future__ import annotations

import copy
import dataclasses
import json
from datetime import UTC
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from flask_fd_whatsapp import Actor, DeliveryError, OutboundMessageEventSchema, Status, StatusEvent
from flask_fd_whatsapp.schemas import field_errors

from .conftest import PAYLOADS, SAMPLES

SCHEMA = OutboundMessageEventSchema()
SENT = [json.loads((PAYLOADS / f"{name}.json").read_text()) for name in SAMPLES]
MISSING = object()

PATHS = [
    *[("version",), ("account_id",), ("account_domain",), ("event_type",), ("event_time",)],
    *[("actor",), ("actor", "id"), ("actor", "name"), ("actor", "type"), ("other",)],
    *[("data",), ("data", "external_reference_id"), ("data", "message_id"), ("data", "status")],
    *[("data", "timestamp"), ("data", "error"), ("data", "error", "code"), ("data", "other")],
    *[("data", "error", "message"), ("actor", "other"), ("data", "error", "other")],
    ("data", "errors"),
]
STRICT = {
    *("account_id", "event_type", "data", "data.message_id", "data.status", "data.timestamp"),
}
any_text = st.text(alphabet=st.characters(codec=None, categories=None), max_size=6)
known = st.sampled_from([status.value for status in Status])
likely_texts = st.sampled_from(
    ["sent", " SENT\n", "\u017fENT", "PLAYED", "x" * 255, "x" * 256, "a\x00", "\ud800", "1.0.0"]
)
likely_times = st.sampled_from(
    [
        *("2025-11-18T09:25:45.885Z", "2025-11-18t14:55:45+05:30", "0001-01-01T00:00:00+23:59"),
        *("2025-11-18 09:25:45Z", "1763457945", "1763457945885", "soon"),
    ]
)
numbers = st.sampled_from(
    [
        0,
        7,
        -1,
        1.5,
        11011399037,
        11011399037.0,
        1763457945,
        1763457945.885,
        10**300,
        1e300,
        float("inf"),
    ]
)
errors = st.sampled_from([[{"code": 131026, "message": "m"}], ["m"], {"code": [1]}, {}, []])
likely = known | likely_texts | likely_times | numbers | errors | st.booleans() | st.none()
json_values = st.recursive(
    likely | any_text | st.integers() | st.floats(allow_nan=False),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(any_text, children, max_size=3)
    ),
    max_leaves=4,
)
mutations = st.lists(
    st.tuples(st.sampled_from(PATHS), json_values | st.just(MISSING)), min_size=1, max_size=4
)


def mutate(payload: dict[str, Any], changes: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """A copy of *payload* with values put in and taken out."""
    payload = copy.deepcopy(payload)
    for (*parents, key), value in changes:
        part: Any = payload
        for parent in parents:
            part = part.get(parent) if isinstance(part, dict) else None
        if isinstance(part, dict):
            if value is MISSING:
                part.pop(key, None)
            else:
                part[key] = copy.deepcopy(value)
    return payload


def check(event: StatusEvent) -> None:
    """Every value of an event has its declared type."""
    for text in (event.account_id, event.message_id, event.status):
        assert 1 <= len(text) <= 255
    assert event.external_reference_id != ""
    for text in (event.version, event.account_domain, event.external_reference_id):
        assert text is None or type(text) is str
    assert event.event_type == "outbound_message_event"
    is_known = event.status.isascii() and event.status.upper() in set(Status)
    assert type(event.status) is (Status if is_known else str)
    assert event.timestamp.tzinfo is UTC
    assert event.event_time is None or event.event_time.tzinfo is UTC
    assert event.actor is None or type(event.actor) is Actor
    assert event.error is None or type(event.error) is DeliveryError
    for part in (event.actor, event.error):
        assert part is None or {type(v) for v in dataclasses.astuple(part)} <= {str, type(None)}


@settings(max_examples=400)
@given(st.sampled_from(SENT), mutations)
def test_mutated_samples_load_or_are_errors(sample: dict[str, Any], changes: Any) -> None:
    """A mutated sample is an error by field, or an event that dumps to what was sent."""
    sent = mutate(sample, changes)
    before = json.dumps(sent)
    try:
        event = SCHEMA.load(sent)
    except ValidationError as error:
        errors = field_errors(error.messages)
        assert errors
        assert set(errors) <= STRICT
        return
    check(event)
    assert json.dumps(SCHEMA.dump(event)) == before
    assert SCHEMA.load(SCHEMA.dump(event)) == event
    assert event.payload is sent
    assert json.dumps(sent) == before


ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255)
texts = st.none() | any_text
reasons = st.none() | any_text.filter(str.strip)
times = st.datetimes(timezones=st.just(UTC))
events = st.builds(
    StatusEvent,
    account_id=ids,
    message_id=ids,
    status=st.sampled_from(Status) | st.sampled_from(["PLAYED", "\u017fENT", "\u017fent", "x"]),
    timestamp=times,
    version=texts,
    account_domain=texts,
    event_time=st.none() | times,
    actor=st.none() | st.builds(Actor, id=texts, name=texts, type=texts),
    external_reference_id=st.none() | any_text.filter(bool),
    error=st.none() | st.builds(DeliveryError, code=reasons, message=reasons),
    payload=st.just({}) | st.sampled_from(SENT) | st.just({"data": {"errors": [{"code": 7}]}}),
)


@settings(max_examples=200)
@given(events)
def test_any_event(event: StatusEvent) -> None:
    """Any event, with its own payload or another's, round-trips through dump and load."""
    dumped = SCHEMA.dump(event)
    assert SCHEMA.load(dumped) == event
    assert SCHEMA.load(json.loads(json.dumps(dumped))) == event
