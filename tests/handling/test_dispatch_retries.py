from __future__ import annotations

import pickle
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import (
    GiveUp,
    RetryLater,
    StatusEvent,
    event_dead,
    message_queued,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.ledger import Entry, Ledger, Policy, State, Tried

from ..answers import make_due
from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted, authorized


def test_gone_at_the_retry(client: FlaskClient, payload: Payload) -> None:
    """A handler that is no longer connected at a retry counts as gone."""
    broken, seen = Scripted("broken", ValueError()), Scripted("seen")
    status_received.connect(broken)
    status_received.connect(seen)
    assert client.post(URL, json=payload()).status_code == 503
    status_received.disconnect(broken)
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert client.post(URL, json=payload()).json == {"result": "duplicate"}
    assert (len(broken.events), len(seen.events)) == (1, 1)


def test_new_at_the_retry(client: FlaskClient, payload: Payload) -> None:
    """A handler connected between two attempts is called; one connected after them is not."""
    broken, between, after = Scripted("broken", ValueError()), Scripted("b"), Scripted("a")
    status_received.connect(broken)
    client.post(URL, json=payload())
    status_received.connect(between)
    client.post(URL, json=payload())
    status_received.connect(after)
    assert client.post(URL, json=payload()).json == {"result": "duplicate"}
    assert (len(between.events), len(after.events)) == (1, 0)


@pytest.mark.parametrize("error", [None, ValueError()])
def test_disconnects_itself(
    app: Flask, client: FlaskClient, payload: Payload, error: Exception | None
) -> None:
    """A handler that disconnects itself causes no other to be skipped, whether it fails or not."""
    seen: list[str] = []

    def once(app: Flask, event: StatusEvent) -> None:
        status_received.disconnect(once)
        seen.append("once")
        if error:
            raise error

    after = Scripted("after")
    status_received.connect(once)
    status_received.connect(after)
    for status, answer in [("queued", 503 if error else 200), ("queued", 200), ("sent", 200)]:
        assert client.post(URL, json=payload(status)).status_code == answer
    assert (seen, after.statuses) == (["once"], ["QUEUED", "SENT"])


def test_disconnects_its_neighbour(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A handler disconnected by another still gets this event, and none after it."""
    neighbour = Scripted("neighbour")
    status_received.connect_via(app)(lambda app, event: status_received.disconnect(neighbour))
    status_received.connect(neighbour)
    for status in ("queued", "sent"):
        assert client.post(URL, json=payload(status)).status_code == 200
    assert neighbour.statuses == ["QUEUED"]


@pytest.mark.parametrize(
    ("script", "header"),
    [
        ([RetryLater(90)], "90"),
        ([RetryLater()], "60"),
        ([RetryLater(1.5)], "2"),
        ([RetryLater(0)], "1"),
        ([RetryLater(5), RetryLater(90)], "90"),
        ([RetryLater(90), RetryLater(5)], "90"),
        ([ValueError(), RetryLater(90)], "90"),
    ],
)
def test_retry_later(
    client: FlaskClient, payload: Payload, script: list[Exception], header: str
) -> None:
    """``RetryLater`` sets ``Retry-After``, in whole seconds and as long as the longest asks."""
    handlers = [Scripted(f"handler {place}", error) for place, error in enumerate(script)]
    for handler in handlers:
        status_received.connect(handler)
    answer = client.post(URL, json=payload())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, header)
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert [len(handler.events) for handler in handlers] == [2] * len(script)


def test_retry_later_is_no_failure(
    make_app: MakeApp, payload: Payload, caplog: pytest.LogCaptureFixture, signals_seen: Any
) -> None:
    """``RetryLater`` is not a failed attempt, sends no notification and logs no error."""
    later, neighbour = Scripted("later", *[RetryLater(1)] * 5), Scripted("neighbour")
    status_received.connect(later)
    status_received.connect(neighbour)
    client = authorized(make_app(MAX_ATTEMPTS=1))
    answers = [client.post(URL, json=payload()).status_code for _ in range(6)]
    assert answers == [503] * 5 + [200]
    assert (len(later.events), len(neighbour.events)) == (6, 1)
    assert {name for name, _ in signals_seen}.isdisjoint({"handler_failed", "event_dead"})
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 2592001, 10**400])
def test_wrong_retry_later(seconds: float) -> None:
    """A delay that does not fit ``Retry-After`` is an error where it is raised."""
    with pytest.raises(ValueError, match="RetryLater takes 0 to 2592000"):
        RetryLater(seconds)


@pytest.mark.parametrize(
    "error", [RetryLater(60, "busy"), RetryLater(1.5), GiveUp("gone")], ids=repr
)
def test_requests_of_a_handler_can_be_pickled(error: Exception) -> None:
    """A handler's exceptions survive the process pool that it may work in."""
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("seconds", ["60", None, True])
def test_retry_later_of_no_number(seconds: Any) -> None:
    """A delay that is not a number is an error where it is raised."""
    with pytest.raises(TypeError, match="RetryLater takes a number"):
        RetryLater(seconds)


def test_dead_event_is_told_once_and_rests(
    make_app: MakeApp, payload: Payload, signals_seen: Any
) -> None:
    """After the maximum of failed attempts an event is dead, signalled once, and left alone."""
    broken, neighbour = Scripted("broken", *[ValueError()] * 9), Scripted("neighbour")
    status_received.connect(broken)
    status_received.connect(neighbour)
    app = make_app(MAX_ATTEMPTS=3)
    answers = []
    for _ in range(5):
        answers.append(authorized(app).post(URL, json=payload()))
        make_due(app)
    assert [answer.status_code for answer in answers] == [503, 503, 503, 200, 200]
    assert answers[-1].json == {"result": "dead"}
    assert (len(broken.events), len(neighbour.events)) == (3, 1)
    names = [name for name, _ in signals_seen]
    assert (names.count("handler_failed"), names.count("event_dead")) == (3, 1)
    assert signals_seen[-1] == ("event_dead", {"event": broken.events[-1]})


def test_a_dead_event_does_not_block_its_message(make_app: MakeApp, payload: Payload) -> None:
    """A dead event does not block other events of its message."""
    broken, changed = Scripted("broken", ValueError()), Scripted("changed")
    status_received.connect(broken)
    status_changed.connect(changed)
    client = authorized(make_app(MAX_ATTEMPTS=1))
    client.post(URL, json=payload("queued"))
    assert client.post(URL, json=payload("sent")).json == {"result": "accepted"}
    assert changed.statuses == ["QUEUED", "SENT"]


def test_attempts_of_different_handlers(make_app: MakeApp, payload: Payload) -> None:
    """Attempts are counted on the event, whichever of its handlers failed."""
    first, second = Scripted("first", ValueError()), Scripted("second", RetryLater(1), ValueError())
    status_received.connect(first)
    status_received.connect(second)
    app = make_app(MAX_ATTEMPTS=2)
    client = authorized(app)
    for _ in range(2):
        client.post(URL, json=payload())
        make_due(app)
    assert client.post(URL, json=payload()).json == {"result": "dead"}


@pytest.mark.parametrize("failures", [1, 2])
def test_success_at_the_last_attempt(make_app: MakeApp, payload: Payload, failures: int) -> None:
    """A success in the last attempt is a success."""
    told: list[StatusEvent] = []
    broken = Scripted("broken", *[ValueError()] * failures)
    app = make_app(MAX_ATTEMPTS=failures + 1)
    event_dead.connect_via(app)(lambda app, event: told.append(event))
    status_received.connect(broken)
    client = authorized(app)
    answers = []
    for _ in range(failures + 1):
        answers.append(client.post(URL, json=payload()).status_code)
        make_due(app)
    assert (answers[-1], told) == (200, [])


def test_superseded_change_is_not_sent_again(client: FlaskClient, payload: Payload) -> None:
    """A ``status_changed`` that failed is not sent again once its message has moved past."""
    changed, received = Scripted("c", ValueError()), Scripted("r", ValueError())
    message = Scripted("m", ValueError())
    for signal, handler in [
        (message_queued, message),
        (status_changed, changed),
        (status_received, received),
    ]:
        signal.connect(handler)
    names = ("queued", "sent", "queued", "queued")
    answers = [client.post(URL, json=payload(name)).get_json() for name in names]
    results = [answer.get("result") for answer in answers]
    assert results == [None, "accepted", "accepted", "duplicate"]
    assert changed.statuses == ["QUEUED", "SENT"]
    assert received.statuses == ["QUEUED", "SENT", "QUEUED"]
    assert message.statuses == ["QUEUED", "QUEUED"]


@pytest.mark.parametrize(("name", "message_id"), [("queued", None), ("read", "another")])
def test_not_superseded(
    client: FlaskClient, payload: Payload, name: str, message_id: str | None
) -> None:
    """A ``status_changed`` that failed is sent again while its message has not moved past it."""
    changed = Scripted("changed", ValueError())
    status_changed.connect(changed)
    between = payload(name)
    between["data"]["message_id"] = message_id or between["data"]["message_id"]
    for body in (payload("sent"), between, payload("sent")):
        client.post(URL, json=body)
    assert changed.statuses.count("SENT") == 2


def test_superseded_is_recorded(client: FlaskClient, ledger: Ledger, payload: Payload) -> None:
    """A superseded handler is recorded as such, and not called even if another has to be."""
    changed = Scripted("changed", ValueError())
    received = Scripted("received", ValueError(), None, ValueError())
    status_changed.connect(changed)
    status_received.connect(received)
    for name in ("queued", "sent", "queued"):
        client.post(URL, json=payload(name))
    event = received.events[0]
    entry = Entry(receiver="fd_whatsapp", event=event, body="{}", headers={}, campaign=None)
    recorded = ledger.record(entry, Policy())
    assert (recorded.state, recorded.succeeded) == (State.PENDING, frozenset({"changed"}))
    assert recorded.claim is not None
    recorded.claim.finish(Tried(retry_after=0))
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert changed.statuses == ["QUEUED", "SENT"]
    assert received.statuses == ["QUEUED", "SENT", "QUEUED", "QUEUED"]
