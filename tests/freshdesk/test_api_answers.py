"""What an answer of the API means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flask_fd_whatsapp import DeliveryError, Status
from flask_fd_whatsapp.freshdesk import (
    MessageNotFound,
    NotAllowed,
    OutboundMessage,
    RateLimited,
    Refused,
    SendUnknown,
    Sent,
    Unreachable,
    UnusableAnswer,
)
from flask_fd_whatsapp.freshdesk.api_answers import (
    Allowance,
    read_allowance,
    read_message,
    read_pause,
    read_sent,
)
from flask_fd_whatsapp.freshdesk.https_calls import Answer, NoAnswer

ID = "01KAB4HHTBE081898E432RCMA7"


def answer_with(status: int, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_success_with_an_id_is_sent(status: int) -> None:
    """The status of the answer to a POST is not documented: any 2xx counts."""
    told = read_sent(answer_with(status, {"success": True, "message_id": ID}), "T1")
    assert told == Sent(ID, "T1")


UNKNOWN: dict[str, Answer | NoAnswer] = {
    "lost": NoAnswer("no whole answer within 10 s", went_out=True),
    "500": answer_with(500, {"code": "internal_error"}),
    "503": answer_with(503, b"<html>"),
    "199": answer_with(199, {"success": True, "message_id": ID}),
    "200 in HTML": answer_with(200, b"<html>"),
    "half": answer_with(201, b'{"success": true, "mess'),
    "list": answer_with(201, [{"success": True, "message_id": ID}]),
    "empty": answer_with(204, b""),
    "no id": answer_with(201, {"success": True}),
    "id is no text": answer_with(201, {"success": True, "message_id": 7}),
    "empty id": answer_with(201, {"success": True, "message_id": ""}),
    "id with a line": answer_with(201, {"success": True, "message_id": "a\nb"}),
    "long id": answer_with(201, {"success": True, "message_id": "a" * 256}),
    "too deep": answer_with(201, b"[" * 100_000),
    "no UTF-8": answer_with(201, b'{"success": true, "message_id": "\xff"}'),
}


@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN)
def test_what_says_nothing_certain_is_unknown(answer: Answer | NoAnswer) -> None:
    """After the request has gone out, only a plain refusal means that nothing was sent."""
    told = read_sent(answer, "T1")
    assert isinstance(told, SendUnknown)
    assert told.external_reference_id == "T1"
    assert "T1" in str(told)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 405, 408, 409, 415, 422, 499])
def test_redirects_and_client_errors_are_refusals(status: int) -> None:
    """A redirect or a refusal means that nothing was sent."""
    told = read_sent(answer_with(status, b"<html>"), "T1")
    assert isinstance(told, Refused)
    assert (told.status_code, told.errors) == (status, ())


def test_no_success_is_a_refusal() -> None:
    """An answer with ``success: false`` is a refusal, whatever its status, with its message."""
    body = {"success": False, "description": "The channel is not connected."}
    told = read_sent(answer_with(200, body), "T1")
    assert isinstance(told, Refused)
    assert [error.message for error in told.errors] == ["The channel is not connected."]


def test_errors_are_told_field_by_field() -> None:
    """A refusal has each field with code and message, and shows only words."""
    errors = [
        {"field": "to.recipient_identifier", "message": "no +4930123456", "code": "invalid_value"},
        {"field": "+4930123456", "message": 7, "code": None},
        "nonsense",
    ]
    told = read_sent(answer_with(400, {"description": "Failed", "errors": errors}), "T1")
    assert isinstance(told, Refused)
    assert [(e.field, e.code, e.message) for e in told.errors] == [
        ("to.recipient_identifier", "invalid_value", "no +4930123456"),
        ("+4930123456", None, "7"),
    ]
    assert "to.recipient_identifier: invalid_value; the request: refused" in str(told)
    assert "4930123456" not in str(told) + repr(told)


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_credentials"), (403, None)])
def test_not_allowed(status: int, code: str | None) -> None:
    """What the key may not do is an error of its own."""
    told = read_sent(answer_with(status, {"code": code} if code else b"<html>"), "T1")
    assert isinstance(told, NotAllowed)
    assert told.code == code


def test_no_connection_is_not_sent() -> None:
    """A request that did not go out was not sent."""
    assert isinstance(read_sent(NoAnswer("Connection refused", went_out=False), "T1"), Unreachable)


PAUSES = {
    "1": 1.0,
    " 7 ": 7.0,
    "1.5": 1.5,
    "0": 1.0,
    "0.2": 1.0,
    "120": 120.0,
    "99999999": 120.0,
    "99999999999": 60.0,
    "-5": 60.0,
    "": 60.0,
    "soon": 60.0,
    "1e3": 60.0,
    "٣": 60.0,
    "NaN": 60.0,
    "Wed, 21 Oct 2015 07:28:00 GMT": 60.0,
}


@pytest.mark.parametrize(("value", "seconds"), PAUSES.items())
def test_retry_after_is_clamped(value: str, seconds: float) -> None:
    """A pause is from one second to two minutes, a minute if it cannot be read."""
    assert read_pause({"Retry-After": value}) == seconds
    told = read_sent(answer_with(429, {}, Retry_After=value), "T1")
    assert isinstance(told, RateLimited)
    assert told.retry_after == seconds


def test_no_retry_after() -> None:
    """Without one it is a minute."""
    assert read_pause({}) == 60.0


def limit_of(total: str, remaining: str) -> Allowance | None:
    return read_allowance({"X-RateLimit-Total": total, "X-RateLimit-Remaining": remaining})


def test_limit_that_an_answer_tells_is_read() -> None:
    """The rate limit in an answer is read, if valid."""
    assert limit_of("1000", "200") == Allowance(1000, 200)
    assert not Allowance(1000, 200).is_low
    assert Allowance(1000, 199).is_low
    assert limit_of("many", "1") is limit_of("", "") is read_allowance({}) is None


def message_with(**fields: Any) -> Any:
    body = {"message_id": ID, "status": "SENT", "created_on": 1763456400123, **fields}
    return read_message(answer_with(200, body), ID)


def test_message_is_read() -> None:
    """A message has its status, when it was taken, its reference, and why it failed."""
    told = message_with(
        status="FAILED",
        external_reference_id="T1",
        error_code="INVALID_RECIPIENT",
        error_message="Not registered on WhatsApp",
    )
    assert told == OutboundMessage(
        message_id=ID,
        status=Status.FAILED,
        created_at=datetime(2025, 11, 18, 9, 0, 0, 123000, tzinfo=UTC),
        external_reference_id="T1",
        error=DeliveryError("INVALID_RECIPIENT", "Not registered on WhatsApp"),
    )


@pytest.mark.parametrize(
    ("given", "status"),
    [("read", Status.READ), (" DELIVERED ", Status.DELIVERED), ("ACCEPTED", "ACCEPTED")],
)
def test_statuses_are_read_like_those_of_webhooks(given: str, status: str) -> None:
    """Case and outer blanks of a known status do not matter; an unknown one stays a text."""
    told = message_with(status=given)
    assert (told.status, type(told.status)) == (status, type(status))


@pytest.mark.parametrize("created", [None, True, "yesterday", [], 1e300, float("inf"), "9" * 30])
def test_creation_that_cannot_be_read(created: Any) -> None:
    """The time of acceptance is a detail: ``None`` if it cannot be read."""
    assert message_with(created_on=created).created_at is None


@pytest.mark.parametrize("created", ["1763456400123", 1763456400123.0])
def test_creation_in_other_shapes(created: Any) -> None:
    """Digits do, and a number with a fraction."""
    assert message_with(created_on=created) == message_with()


@pytest.mark.parametrize("fields", [{"status": None}, {"status": " "}, {"message_id": "other"}])
def test_message_that_says_nothing(fields: dict[str, Any]) -> None:
    """Without a status, or of another message, an answer cannot be used."""
    assert isinstance(message_with(**fields), UnusableAnswer)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answer_with(404, {"code": "not_found"}), MessageNotFound),
        (answer_with(404, b"<html>"), MessageNotFound),
        (answer_with(401, {}), NotAllowed),
        (answer_with(429, {}), RateLimited),
        (answer_with(302, b""), Refused),
        (answer_with(500, {}), UnusableAnswer),
        (answer_with(200, b"<html>"), UnusableAnswer),
        (NoAnswer("gone", went_out=True), Unreachable),
    ],
)
def test_asking_in_vain(answer: Answer | NoAnswer, kind: type[Exception]) -> None:
    """Each way in which asking fails has its error."""
    assert isinstance(read_message(answer, ID), kind)


def test_what_an_error_names_is_escaped_only_once() -> None:
    """A backslash stays one, and an invisible character has one before its number."""
    assert str(MessageNotFound("a\\b\u202e")) == "Freshdesk has no message 'a\\b\\u202e'."
