from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import ValidationError, fields

from flask_fd_whatsapp import Actor, DeliveryError, OutboundMessageEventSchema, Status, StatusEvent
from flask_fd_whatsapp.fields import Text
from flask_fd_whatsapp.schemas import MessageSchema, field_errors

from .conftest import SAMPLES, Payload

SCHEMA = OutboundMessageEventSchema()
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamEvent(StatusEvent):
    """An event with fields of a host's own."""

    team: str | None = None
    price: int | None = None
    tags: list[str] | None = None


class PricedMessageSchema(MessageSchema):
    price = fields.Integer(load_default=None)


class TeamEventSchema(OutboundMessageEventSchema):
    event_class = TeamEvent

    team = Text(required=True, data_key="x-team")
    tags = fields.List(fields.String(), load_default=None)
    data = fields.Nested(PricedMessageSchema, required=True)


TEAM_SCHEMA = TeamEventSchema()


def test_an_event_without_payload() -> None:
    """An event created by hand dumps to a payload, which loads to the same event."""
    event = StatusEvent(account_id="A", message_id="M", status=Status.SENT, timestamp=NOON)
    dumped = SCHEMA.dump(event)
    assert dumped == {
        "account_id": "A",
        "event_type": "outbound_message_event",
        "data": {"message_id": "M", "status": "SENT", "timestamp": "2025-01-01T12:00:00Z"},
    }
    assert SCHEMA.load(dumped) == event
    assert event.payload == {}


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.READ},
        {"status": "PLAYED"},
        {"timestamp": NOON},
        {"event_time": None},
        {"event_time": NOON},
        {"actor": None},
        {"actor": Actor()},
        {"actor": Actor(id="9", type="agent")},
        {"error": None},
        {"error": DeliveryError(code="131026")},
        {"external_reference_id": "other"},
        {"external_reference_id": None},
        {"version": None, "account_domain": None},
        {"version": "2.0", "account_domain": ""},
        {"account_id": "7", "message_id": "8"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_changed_event(name: str, change: dict[str, Any], payload: Payload) -> None:
    """Changes of an event are dumped, and its original payload stays unchanged."""
    event = replace(SCHEMA.load(payload(name)), **change)
    assert SCHEMA.load(SCHEMA.dump(event)) == event
    assert event.payload == payload(name)


def test_an_empty_text_that_was_taken_away(payload: Payload) -> None:
    """A text that was sent empty and is now ``None`` is not dumped as empty."""
    event = replace(SCHEMA.load(payload("sent", account_domain="")), account_domain=None)
    assert SCHEMA.load(SCHEMA.dump(event)) == event


@pytest.mark.parametrize("path", ["other", "actor__other", "data__other", "data__error__other"])
@pytest.mark.parametrize("value", [None, [1, {"a": None}], {"status": "READ"}, "\x00"], ids=repr)
def test_unknown_fields_are_kept(path: str, value: Any, payload: Payload) -> None:
    """Unknown fields at every level are kept in the payload and on dump."""
    sent = payload("failed", **{path: value})
    event = SCHEMA.load(sent)
    assert event == SCHEMA.load(payload("failed"))
    assert SCHEMA.dump(event) == event.payload == payload("failed", **{path: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"account_id": 11011399037, "data__message_id": 7, "data__external_reference_id": 0},
        {"version": 1, "actor__id": 0.5},
        {"data__status": "sent"},
        {"data__status": "Sent"},
        {"data__timestamp": "2025-11-18t09:25:45.885000000z"},
        {"data__timestamp": "2025-11-18T14:55:45.885+05:30"},
        {"event_time": "2025-11-18T09:25:45-00:00"},
        {"actor": {}},
        {"actor": None, "data__error": {}},
    ],
    ids=str,
)
def test_values_stay_as_sent(changes: dict[str, Any], payload: Payload) -> None:
    """Equal values are dumped as sent, number for number and digit for digit."""
    sent = payload("sent", **changes)
    assert repr(SCHEMA.dump(SCHEMA.load(sent))) == repr(payload("sent", **changes))


def test_many_at_once(payload: Payload) -> None:
    """A list of payloads loads and dumps like each one separately."""
    sent = [payload(name) for name in SAMPLES]
    events = SCHEMA.load(sent, many=True)
    assert events == [SCHEMA.load(payload(name)) for name in SAMPLES]
    assert SCHEMA.dump(events, many=True) == sent


def test_a_custom_schema(payload: Payload) -> None:
    """A host's schema loads its own event class, with fields at the top and in ``data``."""
    sent = payload("sent", data__price="7", tags=["a"], other=1) | {"x-team": "sales"}
    event = TEAM_SCHEMA.load(sent)
    assert type(event) is TeamEvent
    assert (event.team, event.price, event.tags) == ("sales", 7, ["a"])
    assert (event.status, event.rank) == (Status.SENT, 1)
    assert TEAM_SCHEMA.dump(event) == sent
    assert TEAM_SCHEMA.load(TEAM_SCHEMA.dump(event)) == event


def test_a_changed_custom_event(payload: Payload) -> None:
    """Changes of a host's own fields are dumped under their keys."""
    sent = payload("sent", data__price="7") | {"x-team": "sales"}
    event = replace(TEAM_SCHEMA.load(sent), team="support", price=8, tags=["b"])
    dumped = TEAM_SCHEMA.dump(event)
    assert (dumped["x-team"], dumped["data"]["price"], dumped["tags"]) == ("support", 8, ["b"])
    assert TEAM_SCHEMA.load(dumped) == event


def test_the_errors_of_a_custom_schema(payload: Payload) -> None:
    """The errors of a host's own fields are under their keys and paths."""
    with pytest.raises(ValidationError) as caught:
        TEAM_SCHEMA.load(payload("sent", data__price="much", tags=["a", 1]))
    assert set(field_errors(caught.value.messages)) == {"x-team", "data.price", "tags.1"}


@pytest.mark.parametrize(
    ("messages", "flat"),
    [
        (["a", "b"], {"_schema": ["a", "b"]}),
        ({"_schema": ["a"]}, {"_schema": ["a"]}),
        ({"x": ["a"], "data": {"y": ["b", "c"]}}, {"x": ["a"], "data.y": ["b", "c"]}),
        ({"data": {"_schema": ["a"], "y": ["b"]}}, {"data": ["a"], "data.y": ["b"]}),
        ({"x": {0: ["a"], 2: {"y": ["b"]}}}, {"x.0": ["a"], "x.2.y": ["b"]}),
        ({"data": {"error": {"_schema": ["a"]}}}, {"data.error": ["a"]}),
        ({"x": [7]}, {"x": ["7"]}),
        ({}, {}),
    ],
)
def test_field_errors(messages: Any, flat: dict[str, list[str]]) -> None:
    """Nested messages become flat ones by path, whatever their depth."""
    assert field_errors(messages) == flat
