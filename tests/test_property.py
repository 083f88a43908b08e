from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_changed, status_received
from flask_fd_whatsapp.ledger import MemoryLedger, Message

from .answers import DurableLedger, client_of
from .bodies import kept
from .conftest import PAYLOADS, SAMPLES, TOKEN, URL, Payload
from .mutations import bodies, details

_SAMPLE_TEXTS = {name: (PAYLOADS / f"{name}.json").read_text() for name in SAMPLES}

INFINITY = float("inf")

RANKS = ["QUEUED", "SENT", "FAILED", "DELIVERED", "READ"]


@dataclass
class Fold:
    """The expected state of a message, computed from the accepted payloads only."""

    times: dict[str, datetime] = field(default_factory=dict)
    reference: str | None = None
    failure: tuple[str | None, str | None] | None = None

    def add(self, payload: dict[str, Any]) -> bool:
        """Add an event; return whether it is new."""
        data = payload["data"]
        if self.reference is None:
            self.reference = reference_of(data.get("external_reference_id"))
        status = status_of(payload)
        if status == "FAILED":
            self.learn(error_of(data.get("error")) or error_of(data.get("errors")))
        if status in self.times:
            return False
        self.times[status] = moment_of(data["timestamp"])
        return True

    def learn(self, failure: tuple[str | None, str | None] | None) -> None:
        if failure is None:
            return
        if self.failure is None or (self.failure[1] is None and self.failure[0] == failure[0]):
            self.failure = failure

    @property
    def status(self) -> str | None:
        return max((s for s in self.times if s in RANKS), key=RANKS.index, default=None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        failure = None if other.error is None else (other.error.code, other.error.message)
        return (self.status, self.times, self.reference, self.failure) == (
            other.status,
            other.times,
            other.external_reference_id,
            failure,
        )


def is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value not in (INFINITY, -INFINITY))


def text_of(value: Any) -> str | None:
    """A text or a number as text, as a database can hold it."""
    if is_number(value):
        return str(int(value)) if value == int(value) and abs(value) < 2**53 else str(value)
    return stored(value) if isinstance(value, str) else None


def stored(text: str) -> str:
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def reference_of(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, (dict, list)) else text_of(value) or None


def error_of(value: Any) -> tuple[str | None, str | None] | None:
    """Code and message, if there is any."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        value = {"message": value}
    elif is_number(value):
        value = {"code": value}
    if not isinstance(value, dict):
        return None
    code, message = (said(value.get(name)) for name in ("code", "message"))
    return None if code is None and message is None else (code, message)


def said(value: Any) -> str | None:
    """A text or a number as text, unless it is blank."""
    text = text_of(value)
    return text if text and text.strip() else None


def moment_of(value: Any) -> datetime:
    if isinstance(value, str) and not value.isdigit():
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    number = int(value) if isinstance(value, str) else value
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    in_milliseconds = abs(number) >= 100_000_000_000
    return epoch + (timedelta(milliseconds=number) if in_milliseconds else timedelta(0, number))


def status_of(payload: dict[str, Any]) -> str:
    status: str = payload["data"]["status"].strip()
    upper = status.upper()
    return upper if status.isascii() and upper in RANKS else status


def is_ours(event_type: str) -> bool:
    return event_type.strip().lower() == "outbound_message_event"


def parsed(body: bytes) -> Any:
    """The JSON value in a body, or its ``ValueError``."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=refuse)
    except ValueError as error:
        return error


class Host:
    """An application whose answers are checked against folds of the accepted events."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        app = Flask("host")
        app.testing = True
        app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
        app.register_blueprint(FreshdeskWhatsApp(ledger=ledger))
        self.client = client_of(app)
        self.folds: dict[tuple[str, str], Fold] = {}
        self.received: list[tuple[str, str, str]] = []
        self.changes: list[tuple[str, str, str]] = []
        status_received.connect(self._note_received, sender=app)
        status_changed.connect(self._note_change, sender=app)

    def _note_received(self, app: Flask, event: StatusEvent) -> None:
        self.received.append(event.key)

    def _note_change(self, app: Flask, event: StatusEvent) -> None:
        self.changes.append(event.key)

    def post(self, body: bytes) -> None:
        before = self.count_kept()
        answer = self.client.post(URL, data=body)
        result = (answer.status_code, answer.get_json(force=True).get("result"))
        payload = parsed(body)
        if result[1] in ("accepted", "duplicate"):
            self.check_taken(payload, is_new=result[1] == "accepted")
        elif not body:
            assert result == (200, "ignored")
        else:
            assert self.count_kept() == before + 1
            assert body in [kept_body for _, kept_body in kept(self.ledger)]
            self.check_not_taken(payload, result)

    def count_kept(self) -> int:
        """How often the bodies in quarantine were received."""
        return sum(entry.count for entry in self.ledger.quarantined(limit=10_000))

    def check_taken(self, payload: Any, *, is_new: bool) -> None:
        key = text_of(payload["account_id"]) or "", text_of(payload["data"]["message_id"]) or ""
        assert is_ours(payload["event_type"])
        fold = self.folds.setdefault(key, Fold())
        before = fold.status
        assert fold.add(payload) is is_new
        message = self.ledger.message(key[1], key[0])
        assert message is not None
        assert status_of(payload) in message.times
        event_key = (*key, status_of(payload))
        assert self.received.count(event_key) == 1
        if is_new:
            assert (self.changes[-1:] == [event_key]) == (fold.status != before)

    def check_not_taken(self, payload: Any, result: tuple[int, str | None]) -> None:
        if isinstance(payload, dict):
            event_type = payload.get("event_type")
            if isinstance(event_type, str) and not is_ours(event_type):
                assert result == (200, "ignored")
                return
        status = 422 if isinstance(payload, dict) else 400
        assert result == ((200, "quarantined") if self.ledger.durable else (status, None))

    def check_state(self) -> None:
        for (account_id, message_id), fold in self.folds.items():
            assert fold == self.ledger.message(message_id, account_id)
        known = sum(len(fold.times) for fold in self.folds.values())
        assert len(self.received) == known
        references = {fold.reference for fold in self.folds.values()} - {None}
        for reference in references:
            found = self.ledger.messages(external_reference_id=reference or "")
            expected = [key for key, fold in self.folds.items() if fold.reference == reference]
            assert sorted((m.account_id, m.message_id) for m in found) == sorted(expected)


@pytest.mark.parametrize("ledger", [MemoryLedger, DurableLedger])
@settings(max_examples=250)
@given(posted=bodies)
def test_answers_to_mutated_samples_are_true(
    ledger: type[MemoryLedger], posted: list[bytes]
) -> None:
    """For any input, the answer is in the table and true, and the state is the fold."""
    host = Host(ledger())
    for body in posted:
        host.post(body)
    host.check_state()


@pytest.mark.slow
@settings(max_examples=400)
@given(posted=st.lists(details, min_size=1, max_size=4))
def test_details_never_lose_a_status(posted: list[bytes]) -> None:
    """An event with any details is accepted, or a duplicate."""
    host = Host(MemoryLedger())
    for body in posted:
        answer = host.client.post(URL, data=body)
        assert answer.status_code == 200, answer.text
        assert answer.get_json()["result"] in ("accepted", "duplicate")
        host.check_taken(parsed(body), is_new=answer.get_json()["result"] == "accepted")
    host.check_state()
    assert host.ledger.quarantined() == []


@settings(max_examples=150)
@given(
    deliveries=st.lists(
        st.tuples(
            st.sampled_from(SAMPLES), st.sampled_from(["M1", "M2"]), st.sampled_from(["1", "2"])
        ),
        max_size=30,
    )
)
def test_deliveries_in_any_order(deliveries: list[tuple[str, str, str]]) -> None:
    """Duplicated samples in any order are all accepted, once each, and end in their fold."""
    host = Host(MemoryLedger())
    for name, message_id, account_id in deliveries:
        sample = json.loads(_SAMPLE_TEXTS[name])
        sample["account_id"], sample["data"]["message_id"] = account_id, message_id
        host.post(json.dumps(sample).encode())
    assert len(host.received) == len(set(deliveries))
    host.check_state()


def test_every_order_of_the_samples(payload: Payload) -> None:
    """All 120 orders of the five statuses end in one state, and each handler is called once per
    event.
    """
    samples = [json.dumps(payload(name)).encode() for name in SAMPLES]
    states = []
    for order in permutations(samples):
        host = Host(MemoryLedger())
        for body in (*order, *order):
            host.post(body)
        host.check_state()
        assert len(host.received) == 5
        states.append(host.ledger.message(payload()["data"]["message_id"]))
    assert len(states) == 120
    assert all(state == states[0] for state in states)
