from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flask_fd_whatsapp import Actor, DeliveryError, Status, StatusEvent
from flask_fd_whatsapp.events import EventKey, is_ahead, rank_of

RANKS = {"QUEUED": 0, "SENT": 1, "FAILED": 2, "DELIVERED": 3, "READ": 4}
FIELDS = [
    "version",
    "account_id",
    "account_domain",
    "event_type",
    "event_time",
    "actor",
    "message_id",
    "external_reference_id",
    "status",
    "timestamp",
    "error",
    "payload",
    "headers",
    "campaign",
    "previous_status",
    "is_stale",
    "failure",
    "source",
]


def make(**changes: Any) -> StatusEvent:
    """A minimal status event with *changes*."""
    given: dict[str, Any] = {
        "account_id": "A",
        "message_id": "M",
        "status": Status.SENT,
        "timestamp": datetime(2025, 1, 1, tzinfo=UTC),
    }
    return StatusEvent(**(given | changes))


def test_the_fields_are_the_documented_ones() -> None:
    """A status event has the fields of the contract, no more and no fewer."""
    assert sorted(field.name for field in fields(StatusEvent)) == sorted(FIELDS)


def test_what_is_optional_is_none() -> None:
    """Optional parts of an event are ``None``, it is not stale, and has no headers."""
    event = make()
    required = {"account_id", "message_id", "status", "timestamp"}
    given = required | {"event_type", "payload", "headers", "is_stale", "source"}
    assert {name for name in FIELDS if getattr(event, name) is not None} == given
    assert event.event_type == "outbound_message_event"
    assert (event.payload, event.headers, event.is_stale) == ({}, {}, False)
    assert (event.source, event.is_time_estimated) == ("webhook", False)


def test_each_event_has_a_payload_of_its_own() -> None:
    """Two events made without payload and headers do not share them."""
    one, other = make(), make()
    assert one.payload is not other.payload
    assert one.headers is not other.headers


@pytest.mark.parametrize("name", ["account_id", "message_id", "status", "timestamp"])
def test_what_is_required(name: str) -> None:
    """An event cannot be made without account, message, status and time."""
    given = {field: getattr(make(), field) for field in FIELDS if field != name}
    with pytest.raises(TypeError, match=f"missing 1 required keyword-only argument: '{name}'"):
        StatusEvent(**given)


def test_events_are_made_by_keyword() -> None:
    """An event takes keyword arguments only, and no unknown ones."""
    with pytest.raises(TypeError, match="positional argument"):
        StatusEvent("A", "M", Status.SENT, datetime.now(UTC))  # type: ignore[misc]
    with pytest.raises(TypeError, match="unexpected keyword argument 'state'"):
        make(state="SENT")


@pytest.mark.parametrize("part", [make(), Actor("1"), DeliveryError("1")], ids=lambda p: type(p))
def test_events_and_their_parts_are_frozen_and_slotted(part: Any) -> None:
    """Neither an event nor its parts can be changed or given other attributes."""
    assert not hasattr(part, "__dict__")
    for field in fields(part):
        with pytest.raises(FrozenInstanceError):
            setattr(part, field.name, None)


def test_the_payload_is_not_part_of_equality() -> None:
    """Two events that differ in their payloads alone are equal and hash alike."""
    one, other = make(payload={"a": 1}), make(payload={"a": 2})
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.READ},
        {"headers": {"X-Team": "a"}},
        {"campaign": "spring"},
        {"is_stale": True},
        {"previous_status": Status.QUEUED},
        {"actor": Actor("1")},
        {"error": DeliveryError("1")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_else_is_part_of_equality(change: dict[str, Any]) -> None:
    """Two events that differ in anything but their payloads are not equal."""
    assert make() != make(**change)


def test_events_can_be_hashed() -> None:
    """An event is hashable in spite of headers and payload."""
    events = {make(headers={"X-Team": "a"}, payload={"a": []}), make(), make()}
    assert len(events) == 2


def test_the_repr_holds_no_personal_data() -> None:
    """An agent's name, the payload and the data headers are not in the ``repr``."""
    actor = Actor(id="7", name="Jane Doe", type="agent")
    event = make(actor=actor, payload={"name": "Jane Doe"}, headers={"X-User": "Jane Doe"})
    for shown in (repr(event), str(event), repr(actor)):
        assert "Jane Doe" not in shown
        assert "agent" in shown


def test_the_identity_of_an_event() -> None:
    """Account, message and status identify an event, and nothing else does."""
    event = make(version="1.0.0", campaign="spring")
    assert event.key == ("A", "M", "SENT")
    assert isinstance(event.key, EventKey)
    assert event.key == replace(event, timestamp=datetime.now(UTC), payload={"a": 1}).key
    for change in ({"account_id": "B"}, {"message_id": "N"}, {"status": "READ"}):
        assert event.key != replace(event, **change).key


@pytest.mark.parametrize("name", RANKS)
def test_status_is_its_text_and_has_a_rank(name: str) -> None:
    """A status is its own text and has its rank, as a member and as plain text."""
    assert Status(name) == name
    assert f"{Status(name)}" == name
    assert make(status=Status(name)).rank == rank_of(name) == RANKS[name]


def test_there_are_five_statuses() -> None:
    """The known statuses are the five of the vendor."""
    assert {status.value for status in Status} == set(RANKS)


@pytest.mark.parametrize("name", ["ACCEPTED", "PLAYED", "sent", "Sent", "", "\u017fENT"])
def test_unknown_status_has_no_rank(name: str) -> None:
    """An unknown status has no rank and is ahead of none."""
    assert make(status=name).rank is None
    assert rank_of(name) is None
    assert not any(is_ahead(name, of=status) for status in (*Status, None, name))
    assert all(is_ahead(status, of=name) for status in Status)


@pytest.mark.parametrize(("one", "other"), list(itertools.product([*Status, None], repeat=2)))
def test_status_is_ahead_of_lower_ranks(one: Status | None, other: Status | None) -> None:
    """A status is ahead of those of a lower rank, and of nothing at all."""
    expected = one is not None and RANKS[one] > (-1 if other is None else RANKS[other])
    assert is_ahead(one, of=other) is expected


def test_subclasses_carry_more() -> None:
    """A subclass adds fields of its own and keeps rank and identity."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class TeamEvent(StatusEvent):
        team: str | None = None

    given = {name: getattr(make(), name) for name in FIELDS}
    event = TeamEvent(**given, team="sales")
    assert (event.team, event.rank, event.key) == ("sales", 1, make().key)
    assert replace(event, is_stale=True).team == "sales"
