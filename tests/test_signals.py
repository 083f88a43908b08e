from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import handler_failed, status_received, webhook_rejected
from flask_fd_whatsapp.signals import EVENT_SIGNALS, NOTICES

from .conftest import SAMPLES, TOKEN, URL, MakeApp, Payload
from .scripted import authorized

Seen = list[tuple[str, dict[str, Any]]]

REFERENCE = "MM-T1-00001"


def names(seen: Seen) -> list[str]:
    return [name for name, _ in seen]


def fail(app: Flask, event: Any) -> None:
    raise ValueError


@pytest.mark.parametrize("name", SAMPLES)
def test_signals_of_an_event_come_in_order(
    client: FlaskClient, payload: Payload, signals_seen: Seen, name: str
) -> None:
    """The signals of an event are its status's own, ``status_changed`` and ``status_received``."""
    client.post(URL, json=payload(name))
    assert names(signals_seen) == [f"message_{name}", "status_changed", "status_received"]
    events = [arguments["event"] for _, arguments in signals_seen]
    assert events[0].status == name.upper()
    assert all(event is events[0] for event in events)


def test_stale_event_changes_nothing(
    client: FlaskClient, payload: Payload, signals_seen: Seen
) -> None:
    """A stale event has its own signal and ``status_received``, and no ``status_changed``."""
    client.post(URL, json=payload("read"))
    del signals_seen[:]
    client.post(URL, json=payload("failed"))
    assert names(signals_seen) == ["message_failed", "status_received"]
    event = signals_seen[0][1]["event"]
    assert (event.is_stale, event.previous_status) == (True, "READ")


@pytest.mark.parametrize("status", ["PLAYED", "Mïxed", "in progress", "x" * 255])
def test_unknown_status_is_received_alone(
    client: FlaskClient, payload: Payload, signals_seen: Seen, status: str
) -> None:
    """An unknown status has ``status_received`` alone, and changes nothing."""
    client.post(URL, json=payload("sent"))
    del signals_seen[:]
    answer = client.post(URL, json=payload("read", data__status=status))
    assert answer.json == {"result": "accepted"}
    assert names(signals_seen) == ["status_received"]
    event = signals_seen[0][1]["event"]
    assert (type(event.status), event.status, event.rank) == (str, status, None)
    assert event.previous_status == "SENT"
    client.post(URL, json=payload("delivered"))
    assert signals_seen[-1][1]["event"].previous_status == "SENT"


@pytest.mark.parametrize("status", ["READ", "read", "Read"])
def test_known_in_any_case(
    client: FlaskClient, payload: Payload, signals_seen: Seen, status: str
) -> None:
    """A known status is recognised in any case."""
    client.post(URL, json=payload("read", data__status=status))
    assert names(signals_seen) == ["message_read", "status_changed", "status_received"]


def test_duplicate_sends_no_signal(
    client: FlaskClient, payload: Payload, signals_seen: Seen
) -> None:
    """A duplicate sends no signal, even if other parts of it are new."""
    client.post(URL, json=payload("sent"))
    del signals_seen[:]
    again = payload("sent", event_time="2025-11-19T00:00:00Z", extra=1)
    assert client.post(URL, json=again).json == {"result": "duplicate"}
    assert signals_seen == []


def test_sender_is_the_application_itself(make_app: MakeApp, payload: Payload) -> None:
    """Every signal is sent by the application object itself, with keyword arguments only."""
    app = make_app(MAX_ATTEMPTS=1)
    senders: list[object] = []
    sent: set[str] = set()

    def listen(name: str, signal: Any) -> None:
        def receiver(*arguments: object, **keywords: object) -> None:
            senders.extend(arguments)
            sent.add(name)

        signal.connect(receiver, weak=False)

    for signal in (*EVENT_SIGNALS, *NOTICES):
        listen(signal.name, signal)
    client = authorized(app)
    for name in SAMPLES:
        client.post(URL, json=payload(name))
    app.test_client().post(URL)
    status_received.connect(fail)
    client.post(URL, json=payload(data__message_id="dies"))
    assert sent == {signal.name for signal in (*EVENT_SIGNALS, *NOTICES)}
    assert {type(sender) for sender in senders} == {Flask}
    assert {id(sender) for sender in senders} == {id(app)}


def test_signals_have_no_argument_but_the_event(
    make_app: MakeApp, payload: Payload, signals_seen: Seen
) -> None:
    """The signals of an event have ``event`` and no other argument."""
    status_received.connect(fail)
    authorized(make_app(MAX_ATTEMPTS=1)).post(URL, json=payload())
    expected = {handler_failed.name: {"event", "handler", "exception"}}
    assert len(signals_seen) == 5
    for name, arguments in signals_seen:
        assert set(arguments) == expected.get(name, {"event"})


def test_every_signal_is_documented() -> None:
    """Every signal is documented where it is defined, with its arguments."""
    for signal in (*EVENT_SIGNALS, *NOTICES):
        assert "Argument" in str(signal.__doc__)


def post_raw(app: Flask, data: bytes, token: str = TOKEN) -> Any:
    return app.test_client().post(URL, data=data, headers={"Authorization": token})


REJECTED = [
    ("unauthenticated", 401, b"{}", "Bearer wrong"),
    ("account", 403, None, TOKEN),
    ("too_large", 413, b"x" * 2001, TOKEN),
    ("not_json", 400, b"{", TOKEN),
    ("not_object", 400, b"[]", TOKEN),
    ("invalid", 422, b'{"event_type": "outbound_message_event"}', TOKEN),
]


@pytest.mark.parametrize("rejects", [True, False])
@pytest.mark.parametrize(("reason", "status", "body", "token"), REJECTED)
def test_rejection_tells_reason_and_status(
    make_app: MakeApp,
    payload: Payload,
    signals_seen: Seen,
    reason: str,
    status: int,
    body: bytes | None,
    token: str,
    rejects: bool,
) -> None:
    """``webhook_rejected`` tells the reason, the status as answered, and errors by field."""
    app = make_app(MAX_BODY_BYTES=2000, ACCOUNT_IDS=["7"], REJECT_INVALID=rejects)
    data = app.json.dumps(payload()).encode() if body is None else body
    answer = post_raw(app, data, token)
    is_unusable = reason in ("not_json", "not_object", "invalid")
    assert answer.status_code == (200 if is_unusable and not rejects else status)
    ((name, arguments),) = signals_seen
    assert (name, set(arguments)) == ("webhook_rejected", {"reason", "status_code", "errors"})
    assert (arguments["reason"], arguments["status_code"]) == (reason, answer.status_code)
    if reason == "invalid":
        assert set(arguments["errors"]) == {"account_id", "data"}
    else:
        assert arguments["errors"] == {}


@pytest.mark.parametrize("body", [b"", b'{"event_type": "agent_event"}'])
def test_ignored_is_not_rejected(app: Flask, signals_seen: Seen, body: bytes) -> None:
    """Ignored requests are not rejections."""
    assert post_raw(app, body).json == {"result": "ignored"}
    assert signals_seen == []


def test_rejected_is_of_this_app(make_app: MakeApp) -> None:
    """A rejection is sent only to this application's handlers."""
    told: list[str] = []
    one, two = make_app(), make_app()
    for name, app in [("one", one), ("two", two)]:
        webhook_rejected.connect_via(app)(lambda app, name=name, **arguments: told.append(name))
    two.test_client().post(URL)
    assert told == ["two"]


CAMPAIGN = r"^[A-Z]+-(T\d+)"


def last(seen: Seen) -> tuple[str | None, str | None]:
    event = seen[-1][1]["event"]
    return event.external_reference_id, event.campaign


@pytest.mark.parametrize("name", SAMPLES[:-1])
def test_a_failure_gets_the_messages_reference_and_campaign(
    make_app: MakeApp, payload: Payload, signals_seen: Seen, name: str
) -> None:
    """FAILED, which lacks the reference, gets the message's reference and campaign."""
    client = authorized(make_app(CAMPAIGN=CAMPAIGN))
    client.post(URL, json=payload(name))
    assert last(signals_seen) == (REFERENCE, "T1")
    client.post(URL, json=payload("failed"))
    assert last(signals_seen) == (REFERENCE, "T1")
    event = signals_seen[-1][1]["event"]
    assert event.payload == payload("failed")
    assert (event.error.code, event.error.message) == ("INVALID", "FAILED")


def test_a_failure_that_arrives_first_gets_its_reference_later(
    make_app: MakeApp, payload: Payload, signals_seen: Seen
) -> None:
    """A FAILED that arrives first has no reference, but has it in a later retry."""
    client = authorized(make_app(CAMPAIGN=CAMPAIGN))
    status_received.connect(fail)
    client.post(URL, json=payload("failed"))
    assert signals_seen[0][1]["event"].external_reference_id is None
    client.post(URL, json=payload("queued"))
    status_received.disconnect(fail)
    late: list[Any] = []
    status_received.connect(lambda app, event: late.append(event), weak=False)
    assert client.post(URL, json=payload("failed")).json == {"result": "accepted"}
    assert [(event.external_reference_id, event.campaign) for event in late] == [(REFERENCE, "T1")]


def test_nothing_to_learn(make_app: MakeApp, payload: Payload, signals_seen: Seen) -> None:
    """One message's reference is not used for another, even with the same id elsewhere."""
    client = authorized(make_app(CAMPAIGN=CAMPAIGN))
    client.post(URL, json=payload("sent"))
    for changes in ({"account_id": "7"}, {"data__message_id": "M2"}):
        client.post(URL, json=payload("failed", **changes))
        assert last(signals_seen) == (None, None)
