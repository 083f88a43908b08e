from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import StatusEvent, status_received
from flask_fd_whatsapp.exceptions import RetryLater

from ..conftest import TOKEN, URL, MakeApp, Payload

NAME = "Ada L\u00f6velace"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(STORE_ACTORS=False)


@pytest.mark.parametrize("actor", [{"id": 1, "name": NAME, "type": "agent"}, NAME, None])
def test_no_agents_name_is_kept(
    app: Flask, client: FlaskClient, payload: Payload, actor: Any
) -> None:
    """An event is stored and handled without the agent's name, at once and in a retry."""
    seen: list[StatusEvent] = []

    def handler(app: Flask, event: StatusEvent) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise RetryLater(0.001)

    status_received.connect(handler)
    body = json.dumps(payload("queued", actor=actor)).encode()
    for _ in range(2):
        client.post(URL, data=body)
    assert len(seen) == 2
    for event in seen:
        assert NAME not in repr((event.actor, event.payload))
        assert event.actor is None or (event.actor.id, event.actor.type) == ("1", "agent")


def test_no_agents_name_is_in_quarantine(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """An unusable body is kept without the name, if it is JSON."""
    client.post(URL, data=json.dumps(payload("queued", data__status=None, actor={"name": NAME})))
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    (entry,) = ledger.quarantined()
    assert json.loads(ledger.quarantine.body(entry.id))["actor"] == {}


def test_event_that_utf8_or_json_cannot_hold_is_kept(
    app: Flask, client: FlaskClient, payload: Payload
) -> None:
    """A lone surrogate stays escaped, and a too large number becomes text: no endless 503."""
    seen: list[StatusEvent] = []

    def handler(app: Flask, event: StatusEvent) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise RetryLater(0.001)

    status_received.connect(handler)
    body = json.dumps(payload("queued", actor={"id": 1}, data__external_reference_id="T\ud800"))
    body = body.replace('"actor"', '"huge": 1e999, "half": 0.5, "actor"')
    for _ in range(2):
        client.post(URL, data=body)
    assert [(one.payload["huge"], one.payload["half"]) for one in seen] == [("1e999", 0.5)] * 2
    assert seen[1].payload["data"]["external_reference_id"] == "T\ud800"


@pytest.mark.parametrize("value", [{"name": NAME}, [NAME], True])
def test_actor_that_is_no_text_or_number_is_not_kept(
    app: Flask, client: FlaskClient, payload: Payload, value: Any
) -> None:
    """A name is not kept inside the actor's id or type."""
    seen: list[StatusEvent] = []

    def handler(app: Flask, event: StatusEvent) -> None:
        seen.append(event)

    status_received.connect(handler)
    client.post(URL, data=json.dumps(payload("queued", actor={"id": value, "type": value})))
    assert seen[0].payload["actor"] == {}


def test_names_are_kept_unless_told(make_app: MakeApp, payload: Payload) -> None:
    """By default an event has the agent's name."""
    app = make_app()
    seen: list[StatusEvent] = []

    def handler(app: Flask, event: StatusEvent) -> None:
        seen.append(event)

    status_received.connect(handler)
    body = json.dumps(payload("queued", actor={"id": 1, "name": NAME, "type": "agent"}))
    app.test_client().post(URL, data=body, headers={"Authorization": TOKEN})
    assert seen[0].actor is not None
    assert seen[0].actor.name == NAME
