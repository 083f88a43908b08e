from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_changed, status_received
from flask_fd_whatsapp.ledger import MemoryLedger, Message

from .answers import DurableLedger, client_of
from .bodies import kept
from .conftest import PAYLOADS, SAMPLES, TOKEN, URL, Payload
from .mutations import bodies

_SAMPLE_TEXTS = {name: (PAYLOADS / f"{name}.json").read_text() for name in SAMPLES}

RANKS = ["QUEUED", "SENT", "FAILED", "DELIVERED", "READ"]


@dataclass
class Fold:
    """What a message should look like, told from the accepted payloads alone."""

    times: dict[str, datetime] = field(default_factory=dict)
    reference: str | None = None
    failure: tuple[object, object] | None = None

    def add(self, payload: dict[str, Any]) -> bool:
        """Take in an event; whether it is new."""
        data = payload["data"]
        reference = data.get("external_reference_id")
        if self.reference is None and reference not in (None, ""):
            self.reference = str(reference)
        status = status_of(payload)
        if status in self.times:
            return False
        text = data["timestamp"].upper()
        self.times[status] = datetime.fromisoformat(text).astimezone(UTC)
        if status == "FAILED" and data.get("error") is not None:
            code, message = data["error"].get("code"), data["error"].get("message")
            self.failure = (None if code is None else str(code), message)
        return True

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


def status_of(payload: dict[str, Any]) -> str:
    status: str = payload["data"]["status"]
    upper = status.upper()
    return upper if status.isascii() and upper in RANKS else status


def parsed(body: bytes) -> Any:
    """The JSON value in a body, or the ``ValueError`` that it is none."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=refuse)
    except ValueError as error:
        return error


class Host:
    """An application whose answers are checked, one by one, against folds of what it took."""

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
        """How often bodies came that are in quarantine."""
        return sum(entry.count for entry in self.ledger.quarantined(limit=10_000))

    def check_taken(self, payload: Any, *, is_new: bool) -> None:
        key = str(payload["account_id"]), str(payload["data"]["message_id"])
        assert payload["event_type"] == "outbound_message_event"
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
            if isinstance(event_type, str) and event_type != "outbound_message_event":
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
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(posted=bodies)
def test_mutated_samples(ledger: type[MemoryLedger], posted: list[bytes]) -> None:
    """Whatever comes in, the answer is one of the table and true, and the state its fold."""
    host = Host(ledger())
    for body in posted:
        host.post(body)
    host.check_state()


@settings(max_examples=150, deadline=None)
@given(
    deliveries=st.lists(
        st.tuples(
            st.sampled_from(SAMPLES), st.sampled_from(["M1", "M2"]), st.sampled_from(["1", "2"])
        ),
        max_size=30,
    )
)
def test_deliveries_in_any_order(deliveries: list[tuple[str, str, str]]) -> None:
    """Samples doubled and in any order are all accepted, once each, and end in their fold."""
    host = Host(MemoryLedger())
    for name, message_id, account_id in deliveries:
        sample = json.loads(_SAMPLE_TEXTS[name])
        sample["account_id"], sample["data"]["message_id"] = account_id, message_id
        host.post(json.dumps(sample).encode())
    assert len(host.received) == len(set(deliveries))
    host.check_state()


def test_every_order_of_the_samples(payload: Payload) -> None:
    """All 120 orders of the five statuses end in one state, each handler called once an event."""
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
