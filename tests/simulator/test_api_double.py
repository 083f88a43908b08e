"""The double of Freshdesk's API."""

from __future__ import annotations

import json
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
    """In the end a GET returns the furthest status, and why a message failed."""
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
    """Without the API key as user every call is a 401."""
    auth = None if user is None else (user, KEY)
    assert api.get(f"{URL}/x", auth=auth).status_code == 401
    assert api.post(URL, json=REQUEST, auth=auth).status_code == 401


def test_other_scheme(api: FlaskClient) -> None:
    """A bearer token is not basic authentication."""
    answer = api.get(f"{URL}/x", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 401


def test_account_is_told(api: FlaskClient) -> None:
    """The account is a number and a domain."""
    answer = api.get("/api/v2/account", auth=(KEY, "X"))
    assert answer.json == {"account_id": 11011399037, "account_domain": "mm-fd.freshpo.com"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v2/contacts", 404), ("DELETE", URL, 405), ("GET", URL, 405)],
)
def test_other_calls_are_refused(api: FlaskClient, method: str, path: str, status: int) -> None:
    """Unknown paths are refused as by the API, which has no list."""
    answer = api.open(path, method=method, auth=(KEY, "X"))
    assert answer.status_code == status
    assert set(answer.json) == {"code", "message"}
    assert answer.headers["X-RateLimit-Remaining"] == "4"
    assert ("Allow" in answer.headers) == (status == 405)


def test_only_json_is_taken(api: FlaskClient, simulator: FreshdeskSimulator) -> None:
    """Only JSON is accepted."""
    body = json.dumps(REQUEST)
    answer = api.post(URL, data=body, content_type="text/plain", auth=(KEY, "X"))
    assert answer.status_code == 415
    assert not simulator.messages


def test_body_that_is_no_json_is_400(api: FlaskClient) -> None:
    """A body that is not JSON has its own code."""
    answer = api.post(URL, data="{", content_type="application/json", auth=(KEY, "X"))
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_json")


def test_calls_of_the_busiest_minute_are_counted(api: FlaskClient, hands: Hands) -> None:
    """All calls are counted, refused ones too, in the busiest minute."""
    for second in (0.0, 50.0, 55.0, 59.9, 100.0, 109.9, 110.0):
        hands.seconds = second
        get(api, "x", user="wrong" if second == 55.0 else KEY)
    limit = api.application.extensions["freshdesk_api"]
    assert limit.most_in_a_minute == 5
    assert [call.at for call in limit.calls][-1] == 110.0
    assert limit.calls[0][:2] == ("GET", f"{URL}/x")


def test_unknown_message_is_404(api: FlaskClient) -> None:
    """A message that nobody sent is a 404."""
    assert get(api, "01KAB4HHTBE081898E432RCMA7").status_code == 404


def test_calls_past_the_limit_are_429(api: FlaskClient, hands: Hands) -> None:
    """Above the limit calls are a 429 that says when the minute is over, and then are accepted."""
    assert [get(api, "x").status_code for _ in range(6)] == [404] * 5 + [429]
    hands.seconds = 20.5
    answer = get(api, "x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "40")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    hands.seconds = 60.0
    assert get(api, "x").status_code == 404


def test_limit_is_told(api: FlaskClient) -> None:
    """Every answer, even a refusal, has the limit and what is left of it."""
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


def with_parts(components: Any = None, **fields: Any) -> dict[str, Any]:
    request = {**REQUEST, **fields}
    if components is not None:
        template = {**REQUEST["message"]["template"], "components": components}
        request["message"] = {"type": "TEMPLATE", "template": template}
    return request


def text(value: Any = "Ada") -> dict[str, Any]:
    return {"type": "text", "text": value}


FULL = with_parts(
    [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://x.org/a"}}]},
        {"type": "body", "parameters": [text(), text("")]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [text()]},
        {"type": "button", "sub_type": "url", "index": 1, "parameters": [text()]},
    ],
    note_policy={"on_reply": {"mode": "default_text", "text": "Hello"}},
    ticket_properties={"tags": ["a" * 32] * 30, "custom_fields": {"a": 1, "b": None}},
)


def test_every_documented_field_is_taken(api: FlaskClient) -> None:
    """Every documented field is accepted, and returned as sent."""
    message_id = api.post(URL, json=FULL, auth=(KEY, "X")).json["message_id"]
    shown = get(api, message_id).json
    assert {name: shown[name] for name in FULL} == FULL


BODY = "message.template.components.0"
INVALID: dict[str, tuple[Any, str, str]] = {
    "no recipient": (
        without("to", "recipient_identifier"),
        "to.recipient_identifier",
        "missing_field",
    ),
    "no sender": (without("from"), "from", "missing_field"),
    "no template": (without("message", "template"), "message.template", "missing_field"),
    "no language": (
        without("message", "template", "language", "code"),
        "message.template.language.code",
        "missing_field",
    ),
    "other channel": (with_parts(channel_type="SMS"), "channel_type", "invalid_value"),
    "list": ([REQUEST], "", "datatype_mismatch"),
    "number for reference": (
        with_parts(external_reference_id=7),
        "external_reference_id",
        "datatype_mismatch",
    ),
    "null for recipient": (with_parts(to=None), "to", "datatype_mismatch"),
    "text for recipient": (with_parts(to="+49"), "to", "datatype_mismatch"),
    "empty recipient": (
        with_parts(to={"recipient_identifier": ""}),
        "to.recipient_identifier",
        "invalid_value",
    ),
    "unknown field": (with_parts(campaign="spring"), "campaign", "invalid_field"),
    "unknown part": (
        with_parts([{"type": "footer", "parameters": [text()]}]),
        f"{BODY}.type",
        "invalid_value",
    ),
    "part without parameters": (
        with_parts([{"type": "body"}]),
        f"{BODY}.parameters",
        "missing_field",
    ),
    "text that is a number": (
        with_parts([{"type": "body", "parameters": [text(7)]}]),
        f"{BODY}.parameters.0.text",
        "datatype_mismatch",
    ),
    "image without link": (
        with_parts([{"type": "header", "parameters": [{"type": "image", "image": {}}]}]),
        f"{BODY}.parameters.0.image.link",
        "missing_field",
    ),
    "image that is a text": (
        with_parts([{"type": "header", "parameters": [{"type": "image", "text": "a"}]}]),
        f"{BODY}.parameters.0.image",
        "missing_field",
    ),
    "link that is none": (
        with_parts([{"type": "header", "parameters": [{"type": "image", "image": {"link": "a"}}]}]),
        f"{BODY}.parameters.0.image.link",
        "invalid_value",
    ),
    "button without index": (
        with_parts([{"type": "button", "sub_type": "url", "parameters": [text()]}]),
        f"{BODY}.index",
        "missing_field",
    ),
    "index that is none": (
        with_parts([{"type": "button", "sub_type": "url", "index": "x", "parameters": [text()]}]),
        f"{BODY}.index",
        "invalid_value",
    ),
    "body with an index": (
        with_parts([{"type": "body", "index": 0, "parameters": [text()]}]),
        f"{BODY}.index",
        "invalid_field",
    ),
    "unknown mode": (
        with_parts(note_policy={"on_reply": {"mode": "brief"}}),
        "note_policy.on_reply.mode",
        "invalid_value",
    ),
    "mode without its text": (
        with_parts(note_policy={"on_reply": {"mode": "default_text"}}),
        "note_policy.on_reply.text",
        "missing_field",
    ),
    "too many tags": (
        with_parts(ticket_properties={"tags": ["a"] * 31}),
        "ticket_properties.tags",
        "invalid_value",
    ),
    "long tag": (
        with_parts(ticket_properties={"tags": ["a" * 33]}),
        "ticket_properties.tags.0",
        "invalid_value",
    ),
    "too many custom fields": (
        with_parts(ticket_properties={"custom_fields": {"a": 1, "b": 2, "c": 3}}),
        "ticket_properties.custom_fields",
        "invalid_value",
    ),
}


@pytest.mark.parametrize(("body", "field", "code"), INVALID.values(), ids=INVALID)
def test_invalid_message_is_400(
    api: FlaskClient, simulator: FreshdeskSimulator, body: Any, field: str, code: str
) -> None:
    """Undocumented input is a 400 that names field and code, and is not sent."""
    answer = api.post(URL, json=body, auth=(KEY, "X"))
    assert answer.status_code == 400
    assert answer.json["description"] == "Validation failed"
    told = {(error["field"], error["code"]) for error in answer.json["errors"]}
    assert (field, code) in told
    assert {frozenset(error) for error in answer.json["errors"]} == {
        frozenset(("field", "message", "code"))
    }
    assert not simulator.messages


def test_needs_a_key(simulator: FreshdeskSimulator) -> None:
    """Without an API key there is no API."""
    with pytest.raises(ValueError, match="api_key"):
        create_api(simulator, api_key="")
