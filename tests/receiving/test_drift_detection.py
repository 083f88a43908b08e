from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields

from flask_fd_whatsapp import FreshdeskWhatsApp, OutboundMessageEventSchema, StatusEvent
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.drift import MOST
from flask_fd_whatsapp.receiving.resuming import resume
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..conftest import SAMPLES, TOKEN, URL, MakeApp, Payload

PERSON = "Ada Lovelace"
NUMBER = "4930123456"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantEvent(StatusEvent):
    tenant: list[int] | None = None


class TenantSchema(OutboundMessageEventSchema):
    event_class = TenantEvent
    tenant = fields.List(fields.Integer(), load_default=None)


def post(app: Flask, body: Any) -> int:
    client = app.test_client()
    return client.post(URL, json=body, headers={"Authorization": TOKEN}).status_code


def ledger_of(app: Flask) -> Ledger:
    ledger: Ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return ledger


def seen(ledger: Ledger) -> set[tuple[str, str, str]]:
    """The drift, by kind, place and value."""
    finish_writes(5)
    return {(one.kind.value, one.place, one.found) for one in ledger.drift.seen()}


def test_samples_have_nothing_unknown(
    client: FlaskClient, payload: Payload, ledger: Ledger
) -> None:
    """The documented samples contain no drift."""
    for name in SAMPLES:
        client.post(URL, json=payload(name))
    assert seen(ledger) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tenant": {"id": 1}}, ("field", "tenant", "object")),
        ({"data__button": "Yes"}, ("field", "data.button", "string")),
        ({"actor__mobile": None}, ("field", "actor.mobile", "null")),
        ({"data__error": {"code": "131026", "why": []}}, ("field", "data.error.why", "array")),
        ({"account_domain": ["x"]}, ("type", "account_domain", "array")),
        ({"actor": "Ada"}, ("type", "actor", "string")),
        ({"actor__name": {"first": "Ada"}}, ("type", "actor.name", "object")),
        ({"data__timestamp": {"at": 1}}, ("type", "data.timestamp", "object")),
        ({"data__status": "PLAYED"}, ("status", "data.status", "PLAYED")),
        ({"event_type": "inbound_event"}, ("event type", "event_type", "inbound_event")),
        ({"version": "2.0.0"}, ("version", "version", "2.0.0")),
        ({"data__error": {"code": 133999}}, ("error code", "data.error.code", "133999")),
    ],
)
def test_what_is_not_known_is_found(
    client: FlaskClient,
    payload: Payload,
    ledger: Ledger,
    changes: dict[str, Any],
    expected: tuple[str, str, str],
) -> None:
    """Unknown fields, types, statuses, event types, versions and error codes are found anywhere."""
    client.post(URL, json=payload("sent", **changes))
    assert seen(ledger) == {expected}


def test_what_is_known_in_another_shape_is_no_drift(
    client: FlaskClient, payload: Payload, ledger: Ledger
) -> None:
    """Numbers for ids, Unix times, lower case and what is null or missing are known."""
    body = payload("sent", account_id=11011399037, data__timestamp=1763457945, version=1.0)
    body["data"] |= {"status": "sent", "external_reference_id": {"order": 7}, "error": None}
    del body["actor"]
    assert client.post(URL, json=body).status_code == 200
    assert seen(ledger) == set()


def test_error_codes_of_the_hosts_own_are_known(make_app: MakeApp, payload: Payload) -> None:
    """A code in FD_WHATSAPP_FAILURE_CLASSES is no drift."""
    app = make_app(FAILURE_CLASSES={"BLOCKED": "recipient"})
    post(app, payload("failed", data__error__code="blocked"))
    assert seen(ledger_of(app)) == set()


def test_fields_of_the_hosts_schema_are_known(make_app: MakeApp, payload: Payload) -> None:
    """Fields of a host's own schema are known, and their types are its own affair."""
    app = make_app(FreshdeskWhatsApp(schema=TenantSchema))
    assert post(app, payload("sent", tenant=[7], other=1)) == 200
    assert seen(ledger_of(app)) == {("field", "other", "number")}


def test_drift_has_how_often_and_an_example(
    client: FlaskClient, payload: Payload, ledger: Ledger
) -> None:
    """Drift is counted, with a message as an example, and logged once."""
    for message in ("M1", "M2", "M2"):
        client.post(URL, json=payload("sent", data__message_id=message, data__button=1))
    seen(ledger)
    (found,) = ledger.drift.seen(receiver="fd_whatsapp")
    assert (found.count, found.example) == (3, "M2")
    assert found.first_seen < found.last_seen


@pytest.mark.parametrize("message_id", ["a\x00b", "\ud800", "x" * 256, 7, None])
def test_message_that_cannot_be_an_example_is_none(
    client: FlaskClient, payload: Payload, ledger: Ledger, message_id: Any
) -> None:
    """An unusable id does not prevent drift from being recorded."""
    client.post(URL, json=payload("sent", data__message_id=message_id, data__button=1))
    assert ("field", "data.button", "number") in seen(ledger)
    assert {one.example for one in ledger.drift.seen()} == {None}


def test_drift_is_said_once(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """Each drift is logged once, however often it occurs."""
    for _ in range(2):
        client.post(URL, json=payload("sent", data__button=1))
        client.post(URL, json=payload("read", data__status="PLAYED"))
        client.post(URL, json=payload("sent", account_domain=["x"]))
        client.post(URL, json=payload("sent", event_type="inbound_event"))
        client.post(URL, json=payload("sent", version="2.0"))
    lines = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    for what in ("data.button", "PLAYED", "account_domain", "inbound_event", "2.0"):
        assert len([line for line in lines if what in line]) == 1


def test_nothing_about_people_is_kept(
    client: FlaskClient, payload: Payload, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Values that are not words, and long numbers, are not kept; values of fields never are."""
    for changes in (
        {"data__recipient": PERSON, f"data__{PERSON}": 1, f"data__{NUMBER}": 1},
        {"version": f"2 {PERSON}"},
        {"data__error": {"code": f"No account of {PERSON}"}},
        {"data__error": {"code": NUMBER}},
        {"data__status": PERSON},
    ):
        client.post(URL, json=payload("sent", **changes))
    assert seen(ledger) == {
        ("field", "data.recipient", "string"),
        ("field", "data.(other)", "number"),
        ("version", "version", "(other)"),
        ("error code", "data.error.code", "(other)"),
        ("status", "data.status", "(other)"),
    }
    told = [one.getMessage() for one in caplog.records if "drift" in one.getMessage()]
    assert told
    assert not [line for line in told if PERSON in line or NUMBER in line]


def test_drift_is_bounded(client: FlaskClient, payload: Payload, ledger: Ledger) -> None:
    """A payload with a thousand fields uses no more space than the limit."""
    client.post(URL, json=payload("sent", **{f"data__f{number}": 1 for number in range(1000)}))
    assert len(seen(ledger)) <= MOST


def test_retry_finds_nothing_anew(make_app: MakeApp, payload: Payload) -> None:
    """An event resumed later is not counted again."""
    app = make_app(DISPATCH="deferred", LEDGER_URL="sqlite:///retried.db")
    post(app, payload("sent", data__button=1))
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    assert resume(receiver, receiver.ledger.events()[0].id)
    assert seen(receiver.ledger)
    assert [one.count for one in ledger_of(app).drift.seen()] == [1]


def test_ledger_that_is_down_costs_no_drift(
    make_app: MakeApp,
    payload: Payload,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Findings that could not be written are written with the next ones, and logged."""
    monkeypatch.setattr("flask_fd_whatsapp.receiving.drift_detection.INTERVAL_SECONDS", 0.0)
    app = make_app()
    ledger = ledger_of(app)
    note = ledger.drift.note

    def fail(_: Any) -> None:
        raise LedgerUnavailable("No.")

    monkeypatch.setattr(ledger.drift, "note", fail)
    post(app, payload("sent", data__button=1))
    assert seen(ledger) == set()
    monkeypatch.setattr(ledger.drift, "note", note)
    post(app, payload("read", data__button=1))
    assert seen(ledger)
    assert [one.count for one in ledger.drift.seen()] == [2]
    assert "could not be written; trying again: No." in caplog.text
