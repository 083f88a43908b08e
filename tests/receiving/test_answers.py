from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import FreshdeskWhatsApp, message_queued
from flask_fd_whatsapp.ledger import MemoryLedger

from ..answers import (
    OTHER_EVENT,
    UNUSABLE,
    DurableLedger,
    assert_problem,
    assert_result,
    client_of,
    make_due,
)
from ..bodies import kept
from ..conftest import URL, MakeApp, Payload

Seen = list[tuple[str, dict[str, Any]]]


@pytest.mark.parametrize("url", [URL, f"{URL}/"])
def test_new_then_duplicate(client: FlaskClient, payload: Payload, url: str) -> None:
    """A new event is accepted, and then a duplicate at either form of the URL."""
    assert_result(client.post(url, json=payload()), "accepted")
    for again in (URL, f"{URL}/"):
        assert_result(client.post(again, json=payload()), "duplicate")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_content_type(client: FlaskClient, payload: Payload, content_type: str) -> None:
    """The content type of an authenticated request is not checked."""
    answer = client.post(URL, data=json.dumps(payload()), content_type=content_type)
    assert_result(answer, "accepted")


def test_deferred_event_is_accepted_once_recorded(
    make_app: MakeApp, payload: Payload, signals_seen: Seen
) -> None:
    """With deferred dispatch an event is accepted once recorded, and no handler is called."""
    app = make_app(FreshdeskWhatsApp(ledger=DurableLedger()), DISPATCH="deferred")
    client = client_of(app)
    for _ in range(2):
        assert_result(client.post(URL, json=payload()), "accepted")
    assert signals_seen == []


def test_last_failed_attempt_is_503(
    make_app: MakeApp, payload: Payload, signals_seen: Seen
) -> None:
    """The last failed attempt is a 503; after that the event is answered as dead."""
    app = make_app(MAX_ATTEMPTS=2)
    client = client_of(app)
    calls: list[object] = []

    @message_queued.connect
    def fails(app: Flask, event: object) -> None:
        calls.append(event)
        raise ValueError

    for _ in range(2):
        assert_problem(client.post(URL, json=payload()), 503, "30")
        make_due(app)
    for _ in range(2):
        assert_result(client.post(URL, json=payload()), "dead")
    assert len(calls) == 2
    assert [name for name, _ in signals_seen].count("event_dead") == 1


def test_empty_body_keeps_nothing(
    client: FlaskClient, ledger: MemoryLedger, signals_seen: Seen
) -> None:
    """An authenticated empty body is ignored, and not kept."""
    assert_result(client.post(URL), "ignored")
    assert (ledger.quarantined(), signals_seen) == ([], [])


@pytest.mark.parametrize("reject_invalid", [None, True, False])
@pytest.mark.parametrize("ledger", [MemoryLedger, DurableLedger])
def test_other_event_type(
    make_app: MakeApp, ledger: type[MemoryLedger], reject_invalid: bool | None, signals_seen: Seen
) -> None:
    """Another event type is ignored whatever ``REJECT_INVALID`` says, and kept in quarantine."""
    own = ledger()
    app = make_app(FreshdeskWhatsApp(ledger=own), REJECT_INVALID=reject_invalid)
    assert_result(client_of(app).post(URL, data=OTHER_EVENT), "ignored")
    assert kept(own) == [("ignored", OTHER_EVENT)]
    assert signals_seen == []


def test_401_names_the_scheme(app: Flask, payload: Payload) -> None:
    """Without the header the answer is a 401 that names the scheme."""
    answer = app.test_client().post(URL, json=payload())
    assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize("reject_invalid", [None, False])
def test_unlisted_account_is_403(
    make_app: MakeApp, payload: Payload, signals_seen: Seen, reject_invalid: bool | None
) -> None:
    """An unlisted account is a 403, and its event is kept in quarantine."""
    own = MemoryLedger()
    app = make_app(FreshdeskWhatsApp(ledger=own), ACCOUNT_IDS=[1], REJECT_INVALID=reject_invalid)
    client = client_of(app)
    assert_problem(client.post(URL, json=payload(account_id="2")), 403)
    assert [entry.reason for entry in own.quarantined()] == ["account"]
    assert signals_seen == [
        ("webhook_rejected", {"reason": "account", "status_code": 403, "errors": {}})
    ]
    assert_result(client.post(URL, json=payload(account_id=1)), "accepted")


def test_byte_past_the_limit_is_413(
    make_app: MakeApp, payload: Payload, signals_seen: Seen
) -> None:
    """A body at the limit is accepted; one byte more is a 413 and not kept."""
    body = json.dumps(payload()).encode()
    own = MemoryLedger()
    app = make_app(FreshdeskWhatsApp(ledger=own), MAX_BODY_BYTES=len(body))
    client = client_of(app)
    assert_problem(client.post(URL, data=body + b" "), 413)
    assert signals_seen == [
        ("webhook_rejected", {"reason": "too_large", "status_code": 413, "errors": {}})
    ]
    assert own.quarantined() == []
    assert_result(client.post(URL, data=body), "accepted")


@pytest.mark.parametrize("reason", UNUSABLE)
@pytest.mark.parametrize(
    ("ledger", "reject_invalid", "rejects"),
    [
        (MemoryLedger, None, True),
        (MemoryLedger, True, True),
        (MemoryLedger, False, False),
        (DurableLedger, None, False),
        (DurableLedger, True, True),
        (DurableLedger, False, False),
    ],
)
def test_unusable_body_is_kept_once(
    make_app: MakeApp,
    signals_seen: Seen,
    reason: str,
    ledger: type[MemoryLedger],
    reject_invalid: bool | None,
    rejects: bool,
) -> None:
    """An unusable body is kept once, and rejected or acknowledged as ``REJECT_INVALID`` says."""
    body, status = UNUSABLE[reason]
    own = ledger()
    client = client_of(make_app(FreshdeskWhatsApp(ledger=own), REJECT_INVALID=reject_invalid))
    for _ in range(2):
        answer = client.post(URL, data=body)
        if rejects:
            assert_problem(answer, status)
        else:
            assert_result(answer, "quarantined")
    assert kept(own) == [(reason, body)]
    assert [entry.count for entry in own.quarantined()] == [2]
    assert [(name, told["reason"]) for name, told in signals_seen] == 2 * [
        ("webhook_rejected", reason)
    ]


def test_errors_by_field_path(client: FlaskClient, payload: Payload, signals_seen: Seen) -> None:
    """A 422 names each field that is wrong by its path, in the answer as in the signal."""
    body = payload(account_id=None, data__status=7, data__error={"code": True})
    answer = client.post(URL, json=body)
    assert_problem(answer, 422)
    errors = answer.get_json()["errors"]
    assert set(errors) == {"account_id", "data.status"}
    assert all(isinstance(text, str) for texts in errors.values() for text in texts)
    assert signals_seen[0][1]["errors"] == errors


@pytest.mark.parametrize("reason", UNUSABLE)
@pytest.mark.parametrize("reject_invalid", [True, False])
def test_signal_tells_what_was_answered(
    make_app: MakeApp, signals_seen: Seen, reason: str, reject_invalid: bool
) -> None:
    """``webhook_rejected`` has the status of the answer."""
    client = client_of(make_app(REJECT_INVALID=reject_invalid))
    answer = client.post(URL, data=UNUSABLE[reason][0])
    assert signals_seen[0][1]["status_code"] == answer.status_code
