from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from flask_fd_whatsapp.ledger import Ledger

from ..bodies import SAMPLE, assert_accepted, assert_refused

BOM = b"\xef\xbb\xbf"

NOT_JSON = {
    "no JSON": b"status=SENT&message_id=1",
    "white space": b"  \r\n",
    "truncated": SAMPLE[:-10],
    "truncated in a string": SAMPLE[:60],
    "truncated in an escape": b'{"event_type": "\\u00',
    "two documents": SAMPLE + SAMPLE,
    "invalid UTF-8": SAMPLE.replace(b"agent", b"\xff\xfe"),
    "overlong UTF-8": SAMPLE.replace(b"agent", b"\xc0\xaf"),
    "surrogate in UTF-8": SAMPLE.replace(b"agent", b"\xed\xa0\x80"),
    "Latin-1": SAMPLE.decode().replace("agent", "\xe4gent").encode("latin-1"),
    "two BOMs": BOM + BOM + SAMPLE,
    "BOM alone": BOM,
    "UTF-16": SAMPLE.decode().encode("utf-16"),
    "UTF-16 LE": SAMPLE.decode().encode("utf-16-le"),
    "UTF-16 BE": SAMPLE.decode().encode("utf-16-be"),
    "UTF-32": SAMPLE.decode().encode("utf-32"),
    "NaN": SAMPLE.replace(b"48046815001", b"NaN"),
    "Infinity": SAMPLE.replace(b"48046815001", b"Infinity"),
    "-Infinity": SAMPLE.replace(b"48046815001", b"-Infinity"),
    "NaN alone": b"NaN",
    "raw control character": SAMPLE.replace(b"agent", b"a\x00gent"),
    "single quotes": b"{'event_type': 'outbound_message_event'}",
    "trailing comma": b'{"event_type": "outbound_message_event",}',
    "comment": b"{} // no",
    "60,000 nested brackets": 60_000 * b"[",
    "30,000 nested and closed": 30_000 * b"[" + 30_000 * b"]",
    "10,000 nested objects": 10_000 * b'{"a":' + b"1" + 10_000 * b"}",
    "nested in an event": SAMPLE.replace(b'"1.0.0"', 30_000 * b"[" + 30_000 * b"]"),
    "976 nested in an unknown field": SAMPLE.replace(
        b'"version"', b'"more":' + 976 * b"[" + 976 * b"]" + b', "version"', 1
    ),
    "60,000 digits": SAMPLE.replace(b"48046815001", 60_000 * b"9"),
    "60,000 digits alone": 60_000 * b"9",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}

NOT_OBJECT = {
    "array": b"[]",
    "array of events": b"[" + SAMPLE + b"]",
    "number": b"7",
    "huge float": b"1e400",
    "string": b'"outbound_message_event"',
    "null": b"null",
    "true": b"true",
    "BOM and array": BOM + b"[]",
}

ACCEPTED = {
    "BOM": BOM + SAMPLE,
    "white space around": b" \r\n\t" + SAMPLE + b"\n\n",
    "duplicate keys": SAMPLE.replace(b'"version"', b'"version":"0.9", "version"', 1),
    "duplicate data": SAMPLE[:-3] + b', "data": ' + SAMPLE[SAMPLE.rindex(b'{ "ext') :],
    "escaped": SAMPLE.replace(b"agent", b"\\u0061gent"),
    "infinite where it does no harm": SAMPLE.replace(b'"version"', b'"more":1e999, "version"', 1),
    "400 brackets in an unknown field": SAMPLE.replace(
        b'"version"', b'"more":' + 400 * b"[" + 400 * b"]" + b', "version"', 1
    ),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_bad_json_is_400_and_kept(client: FlaskClient, ledger: Ledger, body: bytes) -> None:
    """A body that is not strict UTF-8 JSON is a 400 and kept."""
    assert_refused(client, ledger, body, 400, "not_json")


@pytest.mark.parametrize("body", NOT_OBJECT.values(), ids=NOT_OBJECT)
def test_no_object_is_400_and_kept(client: FlaskClient, ledger: Ledger, body: bytes) -> None:
    """JSON that is not an object is a 400 and kept."""
    assert_refused(client, ledger, body, 400, "not_object")


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_odd_but_harmless_json_is_taken(client: FlaskClient, ledger: Ledger, body: bytes) -> None:
    """Odd but harmless JSON is accepted."""
    assert_accepted(client, body)
    assert len(ledger.messages(external_reference_id="MM-T1-00001")) == 1
