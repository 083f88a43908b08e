"""Bodies, ways to put them into a request, and the expected result of each."""

from __future__ import annotations

import io
from typing import Any

from flask.testing import FlaskClient

from flask_fd_whatsapp.ledger import Ledger

from .conftest import PAYLOADS, URL

SAMPLE = (PAYLOADS / "queued.json").read_bytes()


class CountingBody(io.RawIOBase):
    """A stream that records how much of it was read, and may break off at its end."""

    def __init__(self, body: bytes, error: Exception | None = None) -> None:
        self._stream = io.BytesIO(body)
        self._error = error
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._stream.readinto(buffer)
        if not size and self._error is not None:
            raise self._error
        self.bytes_read += size
        return size


def with_length(body: bytes | CountingBody, length: object) -> dict[str, Any]:
    """Options of a test client: a body with a stated length."""
    return {"environ_overrides": _environ(body) | {"CONTENT_LENGTH": str(length)}}


def chunked(body: bytes | CountingBody, *, terminated: bool = True) -> dict[str, Any]:
    """Options of a test client: a body without a stated length.

    :param terminated: the server says where it ends, as gunicorn does.
    """
    environ = _environ(body) | {"HTTP_TRANSFER_ENCODING": "chunked"}
    if terminated:
        environ["wsgi.input_terminated"] = True
    return {"environ_overrides": environ}


def _environ(body: bytes | CountingBody) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body}


def kept(ledger: Ledger) -> list[tuple[str, bytes]]:
    """Reason and body of what is in quarantine, oldest first."""
    found: list[tuple[str, bytes]] = []
    for entry in ledger.quarantined(after=0, limit=10_000):
        body = ledger.quarantine.body(entry.id)
        assert body is not None
        assert entry.size == len(body)
        found.append((entry.reason, body))
    return found


def assert_refused(client: FlaskClient, ledger: Ledger, body: bytes, status: int, why: str) -> Any:
    """Check that the answer is *status*, nothing was recorded, and the exact bytes are kept."""
    answer = client.post(URL, data=body)
    assert answer.status_code == status, answer.text
    assert kept(ledger) == [(why, body)]
    assert ledger.messages(external_reference_id="MM-T1-00001") == []
    return answer.get_json()


def assert_accepted(client: FlaskClient, body: bytes) -> None:
    answer = client.post(URL, data=body)
    assert (answer.status_code, answer.get_json()) == (200, {"result": "accepted"})
