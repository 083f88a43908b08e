from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise, permutations
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    current_ledger,
    handler_name,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.events import rank_of
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.signals import EVENT_SIGNALS

from .conftest import PAYLOADS, SAMPLES, TOKEN, URL, Payload
from .scripted import Scripted

MESSAGE_ID = "01KAB4HHTBE081898E432RCMA7"
BODIES = {name: (PAYLOADS / f"{name}.json").read_bytes() for name in SAMPLES}

Received = tuple[str, str | None, bool]


def post(client: FlaskClient, name: str) -> Any:
    return client.post(URL, data=BODIES[name])


class Host:
    """An application that records which handler got which event, and may fail."""

    def __init__(self) -> None:
        self.app = Flask("host")
        self.app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
        self.app.config["FD_WHATSAPP_MAX_ATTEMPTS"] = 1000
        self.app.testing = True
        self.app.register_blueprint(FreshdeskWhatsApp())
        self.client = self.app.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = TOKEN
        self.calls: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        for signal in EVENT_SIGNALS:
            self.listen(signal)

    def listen(self, signal: Any) -> None:
        def handler(app: Flask, event: StatusEvent) -> None:
            if signal.name in self.failing:
                raise ValueError(signal.name)
            self.calls.append((signal.name, event.status))

        signal.connect(handler_name(signal.name)(handler), sender=self.app, weak=False)

    @property
    def message(self) -> Any:
        with self.app.app_context():
            return current_ledger.message(MESSAGE_ID)

    @property
    def changes(self) -> list[int | None]:
        """The ranks of the statuses that ``status_changed`` was sent for."""
        return [rank_of(status) for name, status in self.calls if name == "status_changed"]


def is_forward(ranks: list[int | None]) -> bool:
    return all(
        before is not None and after is not None and before < after
        for before, after in pairwise(ranks)
    )


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture(scope="module")
def straight() -> Any:
    """The message after the five samples in order, once each."""
    host = Host()
    for name in SAMPLES:
        post(host.client, name)
    return host.message


def test_samples_make_a_message_that_was_read(straight: Any) -> None:
    """The five samples result in a message that was read, although it had failed."""
    assert (straight.status, straight.external_reference_id) == ("READ", "MM-T1-00001")
    assert (straight.error.code, straight.error.message) == ("INVALID", "FAILED")
    assert set(straight.times) == {name.upper() for name in SAMPLES}
    assert straight.times["QUEUED"] == datetime(2025, 11, 18, 9, 25, 43, 455951, UTC)


@pytest.mark.parametrize("order", list(permutations(SAMPLES)), ids="-".join)
def test_state_and_calls_agree_in_any_order(
    host: Host, straight: Any, order: tuple[str, ...]
) -> None:
    """For any order and duplicates, the message's state and the handlers' calls agree."""
    for place, name in enumerate(order):
        assert post(host.client, name).json == {"result": "accepted"}
        for seen in order[: place + 1]:
            assert post(host.client, seen).json == {"result": "duplicate"}
    assert host.message == straight
    calls = Counter(host.calls)
    assert set(calls.values()) == {1}
    for name in SAMPLES:
        assert calls[f"message_{name}", name.upper()] == 1
        assert calls["status_received", name.upper()] == 1
    assert is_forward(host.changes)
    assert host.changes[-1] == 4


tries = st.lists(
    st.tuples(
        st.sampled_from(SAMPLES),
        st.sets(st.sampled_from([signal.name for signal in EVENT_SIGNALS]), max_size=3),
    ),
    max_size=20,
)


@given(tries)
def test_orders_with_failures(tries: list[tuple[str, set[str]]]) -> None:
    """Whenever handlers fail, each succeeds once per event and only moves forward."""
    host = Host()
    tried: list[str] = []
    for name, failing in tries:
        host.failing = failing
        answer = post(host.client, name)
        assert answer.status_code in (200, 503)
        tried.append(name)
    host.failing = set()
    for name in tried:
        assert post(host.client, name).status_code == 200
        assert post(host.client, name).json == {"result": "duplicate"}
    calls = Counter(host.calls)
    assert set(calls.values()) <= {1}
    for name in set(tried):
        assert calls[f"message_{name}", name.upper()] == 1
        assert calls["status_received", name.upper()] == 1
    assert is_forward(host.changes)
    if tried:
        highest = max(rank_of(name.upper()) or 0 for name in tried)
        assert rank_of(host.message.status) == highest
        assert host.changes[-1] == highest


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("QUEUED SENT", [("SENT", "QUEUED", False)]),
        ("SENT FAILED", [("FAILED", "SENT", False)]),
        ("QUEUED FAILED", [("FAILED", "QUEUED", False)]),
        ("FAILED SENT", [("SENT", "FAILED", True)]),
        ("FAILED DELIVERED", [("DELIVERED", "FAILED", False)]),
        ("FAILED READ", [("READ", "FAILED", False)]),
        ("DELIVERED FAILED", [("FAILED", "DELIVERED", True)]),
        ("READ FAILED", [("FAILED", "READ", True)]),
        ("SENT READ", [("READ", "SENT", False)]),
        ("READ DELIVERED", [("DELIVERED", "READ", True)]),
        ("READ SENT QUEUED", [("SENT", "READ", True), ("QUEUED", "READ", True)]),
        ("PLAYED SENT", [("SENT", None, False)]),
        ("SENT PLAYED READ", [("PLAYED", "SENT", False), ("READ", "SENT", False)]),
    ],
)
def test_higher_rank_moves_the_message(
    app: Flask, ledger: Ledger, client: FlaskClient, payload: Payload, order: str, expected: Any
) -> None:
    """An event moves its message if its rank is the highest so far, and is stale otherwise."""
    received, changed = Scripted("received"), Scripted("changed")
    status_received.connect(received)
    status_changed.connect(changed)
    for status in order.split():
        client.post(URL, json=payload(data__status=status))
    states: list[Received] = [
        (event.status, event.previous_status, event.is_stale) for event in received.events
    ]
    assert states[1:] == expected
    fresh = [
        event.status for event in received.events if not event.is_stale and event.rank is not None
    ]
    assert changed.statuses == fresh
    message = ledger.message(MESSAGE_ID)
    assert message is not None
    assert message.status == max(order.split(), key=lambda status: rank_of(status) or -1)


@pytest.mark.parametrize("later", ["DELIVERED", "READ"])
@pytest.mark.parametrize("failed_first", [True, False])
def test_failure_stays_visible(
    ledger: Ledger, client: FlaskClient, payload: Payload, later: str, failed_first: bool
) -> None:
    """A delivery takes precedence over a failure in any order, and the failure stays visible."""
    bodies = [payload("failed"), payload("read", data__status=later)]
    for body in bodies if failed_first else reversed(bodies):
        client.post(URL, json=body)
    message = ledger.message(MESSAGE_ID)
    assert message is not None
    assert (message.status, message.error and message.error.code) == (later, "INVALID")
    assert set(message.times) == {"FAILED", later}


def test_messages_move_independently(ledger: Ledger, client: FlaskClient, payload: Payload) -> None:
    """Messages move independently, even with one id in different accounts."""
    client.post(URL, json=payload("read"))
    for changes in ({"account_id": "7"}, {"data__message_id": "M2"}):
        assert client.post(URL, json=payload("sent", **changes)).json == {"result": "accepted"}
    found = ledger.messages(external_reference_id="MM-T1-00001")
    assert [message.status for message in found] == ["READ", "SENT", "SENT"]


def test_an_unknown_status_alone_is_no_status(
    ledger: Ledger, client: FlaskClient, payload: Payload
) -> None:
    """A message with only an unknown status has no status, but that one's time."""
    client.post(URL, json=payload(data__status="PLAYED"))
    message = ledger.message(MESSAGE_ID)
    assert message is not None
    assert (message.status, set(message.times)) == (None, {"PLAYED"})
