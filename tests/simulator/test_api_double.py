"""The double of Freshdesk's API."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_fd_whatsapp.freshdesk.ulid import ulid_time
from flask_fd_whatsapp.simulator import Clock, FreshdeskSimulator, create_api

from .conftest import MakeDestination, MakeSimulator, simulator_for

URL = "/api/v2/channels/outbound-messages"
KEY = "k3y"
REQUEST: dict[str, Any] = {
    "from": {"channel_identifier": "+14155550100"},
    "to": {"recipient_identifier": "+919876543210"},
    "channel_type": "WHATSAPP",
    "message": {
        "type": "TEMPLATE",
        "template": {"name": "spring", "language": {"code": "en"}, "components": []},
    },
    "external_reference_id": "MM-T1-00001",
}


class Hands:
    """Real seconds, moved by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def simulator() -> FreshdeskSimulator:
    return FreshdeskSimulator()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def api(simulator: FreshdeskSimulator, hands: Hands) -> FlaskClient:
    app = create_api(simulator, api_key=KEY, calls_a_minute=5, now=hands)
    app.testing = True
    return app.test_client()


def get(api: FlaskClient, message_id: str, user: str = KEY, password: str = "X") -> TestResponse:
    return api.get(f"{URL}/{message_id}", auth=(user, password))


def test_post_sends_a_message(api: FlaskClient, simulator: FreshdeskSimulator) -> None:
    """A POST sends a message, whose id is a ULID and which can be read at once."""
    answer = api.post(URL, json=REQUEST, auth=(KEY, "X"))
    assert answer.status_code == 201
    assert answer.json["success"] is True
    message_id = answer.json["message_id"]
    assert ulid_time(message_id)
    message = simulator.messages[message_id]
    assert message.external_reference_id == "MM-T1-00001"
    assert message.recipient == "+919876543210"
    assert get(api, message_id).json == {
        **REQUEST,
        "message_id": message_id,
        "created_on": message.sent_at // 1_000_000,
        "status": "QUEUED",
    }


def test_final_status(make_destination: MakeDestination, make_simulator: MakeSimulator) -> None:
    """Once all has happened a GET tells the furthest status, and why a message failed."""
    simulator = make_simulator(make_destination().url, messages=40)
    api = create_api(simulator, api_key=KEY).test_client()
    assert {get(api, message_id).json["status"] for message_id in simulator.messages} == {"QUEUED"}
    simulator.run()
    seen = set()
    for message in simulator.messages.values():
        shown = get(api, message.id).json
        seen.add(shown["status"])
        assert shown["status"] == message.final_status
        assert ("error_code" in shown) == (shown["status"] == "FAILED")
        if "error_code" in shown:
            assert (shown["error_code"], shown["error_message"]) == message.error
    assert {"READ", "FAILED"} <= seen


def test_sent_while_it_runs(make_destination: MakeDestination) -> None:
    """What is sent through the API while the simulator posts in the background is posted."""
    destination = make_destination()
    simulator = simulator_for(destination.url, clock=Clock(speed=1e7))
    api = create_api(simulator, api_key=KEY).test_client()
    with simulator:
        message_id = api.post(URL, json=REQUEST, auth=(KEY, "X")).json["message_id"]
    simulator.run()
    assert len(destination.received) == len(simulator.messages[message_id].posts)


@pytest.mark.parametrize("user", ["", "wrong", "k3y\xe9", None])
def test_calls_without_the_key_are_401(api: FlaskClient, user: str | None) -> None:
    """Without the API key as user there is a 401, whatever is asked for."""
    auth = None if user is None else (user, KEY)
    assert api.get(f"{URL}/x", auth=auth).status_code == 401
    assert api.post(URL, json=REQUEST, auth=auth).status_code == 401


def test_other_scheme(api: FlaskClient) -> None:
    """A bearer token is no basic authentication."""
    answer = api.get(f"{URL}/x", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 401


def test_unknown_message_is_404(api: FlaskClient) -> None:
    """A message that nobody sent is a 404."""
    assert get(api, "01KAB4HHTBE081898E432RCMA7").status_code == 404


def test_calls_past_the_limit_are_429(api: FlaskClient, hands: Hands) -> None:
    """Past the limit calls are a 429 that says when the minute is over, and then are taken."""
    assert [get(api, "x").status_code for _ in range(6)] == [404] * 5 + [429]
    hands.seconds = 20.5
    answer = get(api, "x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "40")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    hands.seconds = 60.0
    assert get(api, "x").status_code == 404


def test_limit_is_told(api: FlaskClient) -> None:
    """Every answer, a refusal too, tells the limit and what is left of it."""
    answers = [get(api, "x"), get(api, "x", user="wrong")]
    names = ("Total", "Remaining", "Used-CurrentRequest")
    told = [[answer.headers[f"X-RateLimit-{name}"] for name in names] for answer in answers]
    assert told == [["5", "4", "1"], ["5", "3", "1"]]


def without(*path: str) -> dict[str, Any]:
    request: Any = {**REQUEST, "message": {**REQUEST["message"]}}
    part = request
    for key in path[:-1]:
        part[key] = {**part[key]}
        part = part[key]
    del part[path[-1]]
    return request


INVALID = {
    "no recipient": without("to", "recipient_identifier"),
    "no sender": without("from"),
    "no template": without("message", "template"),
    "no language": without("message", "template", "language", "code"),
    "other channel": {**REQUEST, "channel_type": "SMS"},
    "empty": {},
    "list": [REQUEST],
    "number for reference": {**REQUEST, "external_reference_id": 7},
}


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID)
def test_invalid_message_is_400(api: FlaskClient, simulator: FreshdeskSimulator, body: Any) -> None:
    """A message that is not one of a template to a recipient is a 400, and not sent."""
    answer = api.post(URL, json=body, auth=(KEY, "X"))
    assert answer.status_code == 400
    assert {frozenset(error) for error in answer.json["errors"]} == {
        frozenset(("field", "message", "code"))
    }
    assert not simulator.messages


def test_needs_a_key(simulator: FreshdeskSimulator) -> None:
    """Without an API key there is no API."""
    with pytest.raises(ValueError, match="api_key"):
        create_api(simulator, api_key="")
