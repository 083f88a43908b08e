from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from flask_fd_whatsapp import OutboundMessageEventSchema, StatusEvent
from flask_fd_whatsapp.freshdesk.ulid import ulid_time
from flask_fd_whatsapp.testing import EventBuilder

from ..conftest import PAYLOADS, SAMPLES

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def shape(value: Any) -> Any:
    """Names in order, types, and the fraction digits of times."""
    if isinstance(value, dict):
        return [(name, shape(part)) for name, part in value.items()]
    time = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d+)Z", str(value))
    return len(time[1]) if time else type(value)


def load(payload: dict[str, Any]) -> StatusEvent:
    event = OutboundMessageEventSchema().load(payload)
    assert isinstance(event, StatusEvent)
    return event


@pytest.mark.parametrize("name", SAMPLES)
def test_payloads_have_the_samples_shape(events: EventBuilder, name: str) -> None:
    """Each builder's payload has the shape of the vendor's sample, field by field."""
    sample = json.loads((PAYLOADS / f"{name}.json").read_text())
    payload = getattr(events, name)()
    assert shape(payload) == shape(sample)
    kept = ("version", "event_type")
    assert [payload[field] for field in kept] == [sample[field] for field in kept]
    assert payload["actor"]["type"] == sample["actor"]["type"]
    assert payload["data"]["status"] == sample["data"]["status"]


@pytest.mark.parametrize("name", SAMPLES)
def test_payloads_meet_the_schema(events: EventBuilder, name: str) -> None:
    """Each payload matches the schema and is about the builder's message."""
    event = load(getattr(events, name)())
    assert (event.message_id, event.account_id) == (events.message_id, events.account_id)
    expected = None if name == "failed" else events.external_reference_id
    assert (event.status, event.external_reference_id) == (name.upper(), expected)
    assert event.event_time is not None
    assert timedelta() < event.event_time - event.timestamp < timedelta(seconds=1)


def test_each_builder_is_for_a_message_of_its_own() -> None:
    """Each builder is for a separate message, and all its payloads are about that."""
    first = EventBuilder(account_id="7")
    builders = [first, first.another(), first.another(), EventBuilder()]
    assert len({builder.message_id for builder in builders}) == 4
    assert len({builder.external_reference_id for builder in builders}) == 4
    assert [builder.account_id for builder in builders[:3]] == ["7"] * 3
    assert {event["data"]["message_id"] for event in first.journey()} == {first.message_id}


def test_fresh_ids_with_a_seed() -> None:
    """Ids do not repeat with a seeded random module: tests may share a database."""
    state = random.getstate()
    first = EventBuilder()
    random.setstate(state)
    assert EventBuilder().message_id != first.message_id


def test_message_id_is_a_ulid() -> None:
    """The message id is a ULID of just before the message was queued."""
    age = AT.timestamp() * 1000 - ulid_time(EventBuilder(start=AT).message_id)
    assert 80 < age < 90


@pytest.mark.parametrize(
    ("name", "sent"),
    [("queued", "2026-01-02T03:04:05.678901000Z"), ("read", "2026-01-02T03:04:05.678Z")],
)
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_datetimes_are_written_as_freshdesk_does(
    events: EventBuilder, name: str, sent: str, zone: timezone
) -> None:
    """A datetime is written as Freshdesk writes it, and text is sent as it is."""
    at = AT.astimezone(zone)
    payload = getattr(events, name)(timestamp=at, event_time=at)
    assert payload["data"]["timestamp"] == sent
    assert payload["event_time"] == "2026-01-02T03:04:05.678901000Z"
    assert events.sent(timestamp="yesterday")["data"]["timestamp"] == "yesterday"


def test_message_begins_when_its_builder_says() -> None:
    """A message begins when its builder says, and its events follow in order."""
    times = [load(event).timestamp for event in EventBuilder(start=AT).journey()]
    assert times[0] == AT
    assert times == sorted(set(times))


@pytest.mark.parametrize("call", ["start", "timestamp"])
def test_naive_time(events: EventBuilder, call: str) -> None:
    """A datetime without a time zone is refused."""
    naive = AT.replace(tzinfo=None)
    with pytest.raises(ValueError, match="no time zone"):
        EventBuilder(start=naive) if call == "start" else events.sent(timestamp=naive)


def test_any_field_can_be_given(events: EventBuilder) -> None:
    """Any documented field can be passed, even null, in the order of the samples."""
    payload = events.queued(account_id=7, actor=None, message_id="M", external_reference_id=None)
    assert list(payload) == list(events.queued())
    assert (payload["account_id"], payload["actor"]) == (7, None)
    assert list(payload["data"]) == list(events.queued()["data"])
    assert (payload["data"]["message_id"], payload["data"]["external_reference_id"]) == ("M", None)


def test_failure_says_why(events: EventBuilder) -> None:
    """A failure says why, and may carry a reference, in its place."""
    data = events.failed(code="131026", message="Undeliverable")["data"]
    assert data["error"] == {"code": "131026", "message": "Undeliverable"}
    data = events.failed(error=None, external_reference_id="T1")["data"]
    assert list(data) == ["external_reference_id", "error", "message_id", "status", "timestamp"]
    assert data["error"] is None


def test_unknown_field(events: EventBuilder) -> None:
    """An undocumented field is an error that lists the known ones."""
    with pytest.raises(TypeError, match=r"acount_id: not documented.* account_id,"):
        events.sent(acount_id="7")  # type: ignore[call-arg]


def test_unknown_status(events: EventBuilder) -> None:
    """An undocumented status has the shape of the others."""
    assert shape(events.event("PLAYED")) == shape(events.sent())
    assert load(events.event("PLAYED")).rank is None


def test_journey_is_in_order_of_time(events: EventBuilder) -> None:
    """A journey is a list of events in order of time, by default until the message is read."""
    straight = [load(event).status for event in events.journey()]
    assert straight == ["QUEUED", "SENT", "DELIVERED", "READ"]
    journey = [load(event) for event in events.journey("SENT", "READ", "FAILED", "DELIVERED")]
    assert [event.status for event in journey] == ["SENT", "READ", "FAILED", "DELIVERED"]
    assert [event.timestamp for event in journey] == sorted({e.timestamp for e in journey})
    assert journey[2].error is not None


def test_payloads_are_apart(events: EventBuilder) -> None:
    """Changing one payload does not change the next."""
    payload = events.sent()
    payload["actor"]["name"] = "somebody"
    payload["data"].clear()
    assert events.sent()["actor"]["name"] == "system"
    assert events.sent()["data"]
