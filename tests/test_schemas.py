from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import ValidationError

from flask_fd_whatsapp import Actor, DeliveryError, OutboundMessageEventSchema, Status, StatusEvent
from flask_fd_whatsapp.schemas import field_errors

from .conftest import PAYLOADS, SAMPLES, Payload

SCHEMA = OutboundMessageEventSchema()

REQUIRED = ("account_id", "event_type", "data", "data.message_id", "data.status", "data.timestamp")
OPTIONAL = (
    *("version", "account_domain", "event_time", "actor", "actor.id", "actor.name", "actor.type"),
    *("data.external_reference_id", "data.error", "data.error.code", "data.error.message"),
)
FREE_TEXTS = ["version", "account_domain", "actor.id", "actor.name", "actor.type"]
FREE_TEXTS += ["data.error.code", "data.error.message"]
IDS = ["account_id", "data.message_id", "data.status"]
STRICT = [*IDS, "event_type", "data.timestamp"]
NUMBERS = ("account_id", "data.message_id", "data.timestamp")


@pytest.fixture
def full(payload: Payload) -> dict[str, Any]:
    """A payload that has every field."""
    return payload("failed", data__external_reference_id="MM-T1-00001")


def at(payload: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The object that holds the field at *path*, and the field's name."""
    *parents, key = path.split(".")
    for parent in parents:
        payload = payload[parent]
    return payload, key


def put(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    part, key = at(payload, path)
    part[key] = value
    return payload


def value_of(event: Any, path: str) -> Any:
    """An event's value for the field at *path*."""
    for name in path.removeprefix("data.").split("."):
        event = getattr(event, name)
    return event


def errors_of(payload: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        SCHEMA.load(payload)
    return field_errors(caught.value.messages)


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_loads_to_an_event_of_its_status(name: str, payload: Payload) -> None:
    """Each sample loads to an event of its status, with every field that it has."""
    sent = payload(name)
    event = SCHEMA.load(sent)
    assert type(event) is StatusEvent
    assert event.status is Status(name.upper())
    assert event.payload is sent
    assert event.key == ("11011399037", "01KAB4HHTBE081898E432RCMA7", name.upper())
    assert (event.version, event.account_domain) == ("1.0.0", "mm-fd.freshpo.com")
    assert event.external_reference_id == (None if name == "failed" else "MM-T1-00001")
    assert event.error == (DeliveryError("INVALID", "FAILED") if name == "failed" else None)


def test_a_sample_in_full(payload: Payload) -> None:
    """The QUEUED sample loads to exactly this event, with times cut to microseconds."""
    assert SCHEMA.load(payload("queued")) == StatusEvent(
        version="1.0.0",
        account_id="11011399037",
        account_domain="mm-fd.freshpo.com",
        event_type="outbound_message_event",
        event_time=datetime(2025, 11, 18, 9, 25, 43, 455954, tzinfo=UTC),
        actor=Actor(id="48046815001", name="Maruthamuthu G", type="agent"),
        external_reference_id="MM-T1-00001",
        message_id="01KAB4HHTBE081898E432RCMA7",
        status=Status.QUEUED,
        timestamp=datetime(2025, 11, 18, 9, 25, 43, 455951, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_loading_and_dumping_are_the_identity(name: str) -> None:
    """A sample dumps to itself, in its order and types, and what is dumped loads to the event."""
    text = (PAYLOADS / f"{name}.json").read_text()
    event = SCHEMA.load(json.loads(text))
    assert json.dumps(SCHEMA.dump(event)) == json.dumps(json.loads(text))
    assert SCHEMA.load(SCHEMA.dump(event)) == event
    assert event.payload == json.loads(text)


@pytest.mark.parametrize("path", OPTIONAL)
@pytest.mark.parametrize("is_missing", [True, False], ids=["missing", "null"])
def test_what_may_be_missing(path: str, is_missing: bool, full: dict[str, Any]) -> None:
    """An optional field that is missing or null is ``None``, and stays as it was on dump."""
    part, key = at(full, path)
    if is_missing:
        del part[key]
    else:
        part[key] = None
    event = SCHEMA.load(full)
    assert value_of(event, path) is None
    assert json.dumps(SCHEMA.dump(event)) == json.dumps(full)


@pytest.mark.parametrize("path", REQUIRED)
def test_what_may_not_be_missing(path: str, full: dict[str, Any]) -> None:
    """A required field that is missing or null is an error under its path alone."""
    assert errors_of(put(full, path, None)) == {path: ["Field may not be null."]}
    part, key = at(full, path)
    del part[key]
    assert errors_of(full) == {path: ["Missing data for required field."]}


@pytest.mark.parametrize("path", STRICT)
@pytest.mark.parametrize("value", [True, False, [], ["x"], {}, 7, 0.5, "x", float("inf")])
def test_wrong_types(path: str, value: Any, full: dict[str, Any]) -> None:
    """Fields that identify an event must have their type; ids and times may be numbers."""
    is_number = type(value) in (int, float) and value != float("inf")
    put(full, path, value)
    if (is_number and path in NUMBERS) or (value == "x" and path in IDS):
        assert json.dumps(SCHEMA.dump(SCHEMA.load(full))) == json.dumps(full)
    else:
        assert set(errors_of(full)) == {path}


@pytest.mark.parametrize("value", [True, [], ["x"], 7, "x", {}])
def test_data_is_an_object(value: Any, full: dict[str, Any]) -> None:
    """``data`` has to be an object with what identifies the event in it."""
    wrong = {path for path in STRICT if "." in path} if value == {} else {"data"}
    assert set(errors_of(put(full, "data", value))) == wrong


DETAILS = [
    *((path, value, None) for path in OPTIONAL for value in (True, False, float("inf"))),
    *((path, ["x"], None) for path in ("version", "account_domain", "event_time", "actor")),
    *((path, {"x": 1}, None) for path in ("version", "account_domain", "event_time")),
    *((path, 7, None) for path in ("account_domain", "actor", "actor.name", "actor.type")),
    *((path, [], None) for path in ("actor.id", "data.error", "data.error.code")),
    *((path, "", None) for path in ("event_time", "actor", "data.error")),
    ("event_time", "yesterday", None),
    ("event_time", 1763457945, datetime(2025, 11, 18, 9, 25, 45, tzinfo=UTC)),
    ("event_time", "1763457945000", datetime(2025, 11, 18, 9, 25, 45, tzinfo=UTC)),
    ("actor", "system", Actor(name="system")),
    ("actor", {"name": 5}, Actor()),
    ("data.error", ["gone"], DeliveryError(message="gone")),
    ("data.error", [{"code": 1, "message": 42}], DeliveryError("1", "42")),
    ("data.error", "gone", DeliveryError(message="gone")),
    ("data.error", 131026.0, DeliveryError("131026")),
    ("data.error", {"code": {}}, DeliveryError()),
    ("data.error", {"code": "", "message": " "}, DeliveryError()),
    ("data.error", " \n", None),
    ("data.external_reference_id", {"a": [1]}, '{"a": [1]}'),
    ("data.external_reference_id", "x" * 60_000, "x" * 60_000),
    ("version", 1.0, "1"),
]


@pytest.mark.parametrize(("path", "value", "loaded"), DETAILS, ids=lambda value: ascii(value)[:25])
def test_details_refuse_nothing(path: str, value: Any, loaded: Any, full: dict[str, Any]) -> None:
    """A detail of any shape is used as far as possible, and dumped as sent."""
    event = SCHEMA.load(put(full, path, value))
    assert value_of(event, path) == loaded
    assert json.dumps(SCHEMA.dump(event)) == json.dumps(full)
    assert SCHEMA.load(SCHEMA.dump(event)) == event


REASON = DeliveryError("131026", "away")


@pytest.mark.parametrize(
    ("error", "errors", "loaded"),
    [
        (None, [{"code": 131026, "message": "away"}], REASON),
        ({}, [{"code": "131026", "message": "away"}], REASON),
        ({"code": "", "message": " "}, [{"code": "131026", "message": "away"}], REASON),
        (" ", [{"code": "131026", "message": "away"}], REASON),
        ({"code": 131026, "message": "away"}, [{"code": 1}], REASON),
        ({"code": 131026, "message": "away"}, "text", REASON),
        ([], {"code": 131026, "message": "away"}, REASON),
        (None, [], None),
        (None, True, None),
        ({}, 7.0, DeliveryError("7")),
    ],
)
def test_errors_beside_error(error: Any, errors: Any, loaded: Any, full: dict[str, Any]) -> None:
    """``errors`` is used if ``error`` is empty; both are dumped as sent."""
    full["data"].update(error=error, errors=errors)
    event = SCHEMA.load(full)
    assert event.error == loaded
    assert json.dumps(SCHEMA.dump(event)) == json.dumps(full)
    for changed in (None, DeliveryError("2", "other"), DeliveryError()):
        other = replace(event, error=changed)
        assert SCHEMA.load(SCHEMA.dump(other)).error == changed


def test_what_cannot_be_used_is_warned_of_once(
    full: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An unusable value is logged once by its path, and an unknown status by its name."""
    full.update(actor={"name": [1]}, event_time="soon", account_domain=5)
    full["data"].update(status="PLAYED\u202e", error=True)
    schema = OutboundMessageEventSchema()
    for _ in range(2):
        schema.load(full)
    lines = sorted(record.getMessage() for record in caplog.records)
    assert [line.partition(" of an event")[0] for line in lines[:-1]] == [
        "The account_domain",
        "The actor.name",
        "The data.error",
        "The event_time",
    ]
    assert lines[-1].startswith("The status PLAYED")
    schema.load(put(full, "data.status", "DELETED"))
    assert caplog.records[-1].getMessage().startswith("The status DELETED is not documented")
    OutboundMessageEventSchema().load(full)
    assert len(caplog.records) == 11, "another schema has warnings of its own"


@pytest.mark.parametrize("value", [None, [], "x", 7, True, [{}]])
def test_what_is_no_object(value: Any) -> None:
    """Anything but an object is an error of the whole payload."""
    assert set(errors_of(value)) == {"_schema"}


def test_all_errors_at_once(full: dict[str, Any]) -> None:
    """Every wrong field is named at once, and no details are."""
    full.update(account_id=True, event_time="yesterday", actor=[])
    full["data"].update(message_id="", timestamp=None, error={"code": []})
    assert set(errors_of(full)) == {"account_id", "data.message_id", "data.timestamp"}


@pytest.mark.parametrize("path", IDS)
@pytest.mark.parametrize(
    "text", ["a\x00b", "a\ud800b", "\udfff", "a\nb", "a\x7fb", "a\x85b", "x" * 256]
)
def test_ids_hold_no_odd_text(path: str, text: str, full: dict[str, Any]) -> None:
    """Ids and statuses that a database could not store are an error under their path."""
    assert set(errors_of(put(full, path, text))) == {path}


@pytest.mark.parametrize("path", IDS)
def test_long_ids(path: str, full: dict[str, Any]) -> None:
    """Ids and statuses of 255 characters are accepted."""
    assert value_of(SCHEMA.load(put(full, path, "ä" * 255)), path) == "ä" * 255


@pytest.mark.parametrize("path", ["account_id", "data.message_id", "data.status"])
def test_empty_ids(path: str, full: dict[str, Any]) -> None:
    """An empty id or status is an error, unlike an empty reference, which is ``None``."""
    assert set(errors_of(put(full, path, ""))) == {path}


def test_an_empty_reference(full: dict[str, Any]) -> None:
    """An empty reference is ``None``, and stays as it was on dump."""
    event = SCHEMA.load(put(full, "data.external_reference_id", ""))
    assert event.external_reference_id is None
    assert SCHEMA.dump(event) == full


@pytest.mark.parametrize("path", FREE_TEXTS)
@pytest.mark.parametrize("text", ["", "a\x00b", "a\ud800b", "\udfff", "a\nb", "x" * 70_000])
def test_free_text_may_be_odd(path: str, text: str, full: dict[str, Any]) -> None:
    """Text in a name or message that a database would refuse does not make an event fail."""
    event = SCHEMA.load(put(full, path, text))
    is_nothing = text == "" and path.startswith("data.error.")
    assert value_of(event, path) == (None if is_nothing else text)
    assert SCHEMA.dump(event) == full


@pytest.mark.parametrize("path", ["event_type", "data.timestamp"])
@pytest.mark.parametrize("extra", ["\x00", "\ud800"])
def test_odd_text_in_what_is_fixed(path: str, extra: str, full: dict[str, Any]) -> None:
    """An event type or a time with a stray character is an error under its path."""
    part, key = at(full, path)
    part[key] += extra
    assert set(errors_of(full)) == {path}
