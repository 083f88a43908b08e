"""The simulator's events have the shape of the vendor's samples, from which it is derived."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

from flask_fd_whatsapp import OutboundMessageEventSchema
from flask_fd_whatsapp.events import Status
from flask_fd_whatsapp.freshdesk.ulid import ulid_time
from flask_fd_whatsapp.simulator import FreshdeskSimulator

from ..conftest import PAYLOADS, SAMPLES

LITERAL = ("version", "event_type", "status", "type")
"""Fields whose value is part of the shape."""


def shape(value: Any, name: str = "") -> Any:
    """Keys in order, types, fraction digits of times; ULIDs are told from other text."""
    if isinstance(value, dict):
        return [(key, shape(part, key)) for key, part in value.items()]
    if name in LITERAL:
        return value
    if isinstance(value, str):
        time = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d+)Z", value)
        if time:
            return f"time of {len(time[1])} digits"
        return "ULID" if re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", value) else "text"
    return type(value).__name__


@cache
def made() -> dict[str, list[dict[str, Any]]]:
    """The payloads of many messages by status, as they are posted."""
    simulator = FreshdeskSimulator()
    payloads: dict[str, list[dict[str, Any]]] = {}
    for number in range(100):
        for post in simulator.send(f"MM-T1-{number:05d}").posts:
            payload = json.loads(post.body())
            payloads.setdefault(payload["data"]["status"], []).append(payload)
    return payloads


@pytest.mark.parametrize("name", SAMPLES)
def test_same_shape(name: str) -> None:
    """Every event of a status has the sample's fields in its order, with values of its kind."""
    sample = json.loads((PAYLOADS / f"{name}.json").read_text())
    payloads = made()[name.upper()]
    assert payloads
    for payload in payloads:
        assert shape(payload) == shape(sample)
        if sample["actor"]["type"] == "system":
            assert payload["actor"] == sample["actor"]


def test_the_shape_tells_order_digits_and_types_apart() -> None:
    """The shape differs where order, digits or a type do."""
    sample = json.loads((PAYLOADS / "sent.json").read_text())
    reordered = dict(reversed(sample.items()))
    fewer = {**sample, "event_time": "2025-11-18T09:25:46.167Z"}
    number = {**sample, "account_id": 11011399037}
    assert all(shape(changed) != shape(sample) for changed in (reordered, fewer, number))


def test_nothing_but_samples() -> None:
    """Without faults there are the documented statuses and no others."""
    assert set(made()) == set(Status)


def test_event_is_made_after_its_status() -> None:
    """An event is made 0.1 to 0.6 seconds after its status; the id 60 to 111 ms before QUEUED."""
    schema = OutboundMessageEventSchema()
    for status, payloads in made().items():
        for payload in payloads:
            event = schema.load(payload)
            waited = (event.event_time - event.timestamp).total_seconds()
            assert waited < 0.0001 if status == "QUEUED" else 0.1 <= waited <= 0.6
            if status == "QUEUED":
                queued = event.timestamp.timestamp() * 1000
                assert 59 <= queued - ulid_time(event.message_id) <= 112


def test_failure_has_a_code_of_whatsapp() -> None:
    """A failure has one of WhatsApp's codes, as text, and a message."""
    errors = [payload["data"]["error"] for payload in made()["FAILED"]]
    assert len({error["code"] for error in errors}) > 2
    assert all(type(error["code"]) is str and error["message"] for error in errors)


def test_without_reference() -> None:
    """A message sent without a reference has none in its events."""
    message = FreshdeskSimulator().send()
    assert not any("external_reference_id" in post.payload["data"] for post in message.posts)
