from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from flask_fd_whatsapp.ledger import Ledger

from ..bodies import SAMPLE, assert_accepted, assert_refused, kept
from ..conftest import URL, Payload

FIELDS = {
    "version": False,
    "account_id": True,
    "account_domain": False,
    "event_type": True,
    "event_time": False,
    "actor": False,
    "actor.id": False,
    "actor.name": False,
    "actor.type": False,
    "data": True,
    "data.external_reference_id": False,
    "data.message_id": True,
    "data.status": True,
    "data.timestamp": True,
    "data.error": False,
    "data.error.code": False,
    "data.error.message": False,
}
"""Every field by its path, and whether it has to be there."""

TEXTS = [path for path in FIELDS if path not in ("actor", "data", "data.error")]
STRICT = {
    *("account_id", "event_type", "data", "data.message_id", "data.status", "data.timestamp"),
}
NUMBERS_TOO = {"account_id", "data.message_id", "data.timestamp"}
ODD = [
    *((path, value) for path in FIELDS for value in (True, False, [], ["x"], 7, 1.5)),
    *((path, {"x": 1}) for path in (*TEXTS, "data")),
    *((path, "text") for path in FIELDS if path not in TEXTS or "time" in path),
]
_MISSING = object()


def changed(path: str, value: object) -> bytes:
    """The sample with an error, and with one field set or left out."""
    payload: dict[str, Any] = json.loads(SAMPLE)
    payload["data"]["error"] = {"code": "1", "message": "m"}
    *parents, key = path.split(".")
    part = payload
    for parent in parents:
        part = part[parent]
    if value is _MISSING:
        del part[key]
    else:
        part[key] = value
    return json.dumps(payload).encode()


@pytest.mark.parametrize("value", [_MISSING, None], ids=["missing", "null"])
@pytest.mark.parametrize("path", FIELDS)
def test_field_that_is_not_there(
    client: FlaskClient, ledger: Ledger, path: str, value: object
) -> None:
    """A missing or null required field is a 422 that names it; any other may be missing."""
    body = changed(path, value)
    if FIELDS[path]:
        assert set(assert_refused(client, ledger, body, 422, "invalid")["errors"]) == {path}
    else:
        assert_accepted(client, body)


@pytest.mark.parametrize(("path", "value"), ODD)
def test_field_of_another_type(
    client: FlaskClient, ledger: Ledger, path: str, value: object
) -> None:
    """A wrong type is a 422 in a field that identifies the event, and accepted in any detail."""
    body = changed(path, value)
    if path not in STRICT or (type(value) in (int, float) and path in NUMBERS_TOO):
        assert_accepted(client, body)
    else:
        errors = assert_refused(client, ledger, body, 422, "invalid")["errors"]
        assert {name for name in errors if name.startswith(path)} == set(errors)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff", "\x1fx"], ids=ascii)
@pytest.mark.parametrize("path", TEXTS)
def test_text_no_database_takes(client: FlaskClient, ledger: Ledger, path: str, text: str) -> None:
    """NUL, lone surrogates and control characters are a 422 in a field that identifies the event,
    and accepted elsewhere.
    """
    body = changed(path, text)
    if path == "event_type":
        assert client.post(URL, data=body).get_json() == {"result": "ignored"}
        assert kept(ledger) == [("ignored", body)]
    elif path in STRICT and not (path == "data.status" and text.strip() == "x"):
        assert set(assert_refused(client, ledger, body, 422, "invalid")["errors"]) == {path}
    else:
        assert_accepted(client, body)


@pytest.mark.parametrize("length", [1, 255, 256, 60_000])
@pytest.mark.parametrize("character", ["x", "\U0001f600", "9"], ids=ascii)
@pytest.mark.parametrize("path", ["account_id", "data.message_id", "data.status"])
def test_length_of_ids(
    client: FlaskClient, ledger: Ledger, path: str, length: int, character: str
) -> None:
    """An id has 1 to 255 characters, counted as characters."""
    payload = json.loads(changed(path, length * character))
    body = json.dumps(payload, ensure_ascii=False).encode()
    if len(body) > 65536:
        assert client.post(URL, data=body).status_code == 413
    elif length > 255:
        assert set(assert_refused(client, ledger, body, 422, "invalid")["errors"]) == {path}
    else:
        assert_accepted(client, body)


TIMES = {
    "without zone": "2025-11-18T09:25:43",
    "date only": "2025-11-18",
    "24:00": "2025-11-18T24:00:00Z",
    "leap second": "2025-11-18T23:59:60Z",
    "before year 1 in UTC": "0001-01-01T00:00:00+23:59",
    "after year 9999 in UTC": "9999-12-31T23:59:59-00:01",
    "year 0": "0000-01-01T00:00:00Z",
    "year 10000": "10000-01-01T00:00:00Z",
    "30 fraction digits": f"2025-11-18T09:25:43.{30 * '1'}Z",
    "10 fraction digits": "2025-11-18T09:25:43.1234567891Z",
    "no fraction digit": "2025-11-18T09:25:43.Z",
    "30 February": "2025-02-30T00:00:00Z",
    "two spaces for the T": "2025-11-18  09:25:43Z",
    "Arabic-Indic digits": "\u0662\u0660\u0662\u0665-11-18T09:25:43Z",
    "line feed at the end": "2025-11-18T09:25:43Z\n",
    "week date": "2025-W47-2T09:25:43Z",
    "compact": "20251118T092543Z",
    "zone of 24 hours": "2025-11-18T09:25:43+24:00",
    "empty": "",
}


@pytest.mark.parametrize("text", TIMES.values(), ids=TIMES)
def test_time_that_is_none(client: FlaskClient, ledger: Ledger, text: str) -> None:
    """An invalid time of a status is a 422; the webhook's own time does not matter."""
    problem = assert_refused(client, ledger, changed("data.timestamp", text), 422, "invalid")
    assert set(problem["errors"]) == {"data.timestamp"}
    assert_accepted(client, changed("event_time", text))


@pytest.mark.parametrize(
    ("status", "known"),
    [
        *(("delivered", "DELIVERED"), ("Read", "READ"), ("SENT ", "SENT")),
        *(("PLAYED", None), ("\u017fent", None)),
    ],
)
def test_status_in_other_words(
    client: FlaskClient, ledger: Ledger, payload: Payload, status: str, known: str | None
) -> None:
    """A known status is accepted in any case; an unknown one is kept and changes nothing."""
    assert_accepted(client, json.dumps(payload(data__status=status)).encode())
    (message,) = ledger.messages(external_reference_id="MM-T1-00001")
    assert (message.status, set(message.times)) == (known, {known or status})


def test_status_empty(client: FlaskClient, ledger: Ledger) -> None:
    """An empty status is a 422."""
    assert_refused(client, ledger, changed("data.status", ""), 422, "invalid")


REFERENCES = [
    json.dumps({"order": "7" * 280}),
    "x" * 60_000,
    "two\nlines\tand a tab",
    {"order": [7]},
    7.0,
    "a\0b",
]


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda value: ascii(value)[:20])
def test_reference_of_the_hosts_own(
    client: FlaskClient, ledger: Ledger, payload: Payload, reference: Any
) -> None:
    """Any reference of a host is accepted, and finds the event."""
    body = payload(data__external_reference_id=reference)
    assert_accepted(client, json.dumps(body, ensure_ascii=False).encode())
    text = {"7.0": "7"}.get(str(reference)) or (
        reference if isinstance(reference, str) else json.dumps(reference)
    )
    (message,) = ledger.messages(external_reference_id=text)
    assert message.message_id == body["data"]["message_id"]
    (event,) = ledger.events(external_reference_id=text)
    assert event.external_reference_id == message.external_reference_id
