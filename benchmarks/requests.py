"""The requests: the vendor's samples in turn, each about a new message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from itertools import count, cycle
from pathlib import Path
from typing import Any

from werkzeug.test import create_environ

TOKEN = "Bearer s3cret-token-of-a-realistic-length-0123456789"
URL = "/freshdesk/whatsapp"

_PAYLOADS = Path(__file__).parents[1] / "tests" / "payloads"
_SAMPLES = ("queued", "sent", "delivered", "read", "failed")

_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
    "Authorization": TOKEN,
    "User-Agent": "benchmark/1.0",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
}
_ENVIRON = create_environ(URL, method="POST", content_type="application/json", headers=_HEADERS)
_LINES = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS.items())
_HEAD = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{_LINES}"


def message_id(number: int) -> str:
    """The id of the message that the request of this number, from 0, is about."""
    return f"01KAB4HHTBE0818{number:011d}"


def new_bodies() -> Iterator[bytes]:
    """Yield endless bodies, each about a different message."""
    for number, (before, after) in zip(count(), cycle([_around_id(name) for name in _SAMPLES])):
        yield before + message_id(number).encode() + after


def _around_id(name: str) -> tuple[bytes, bytes]:
    """A sample, in two parts between which the id of its message stood."""
    sample = json.loads((_PAYLOADS / f"{name}.json").read_bytes())
    mark = "<message_id>"
    text = json.dumps({**sample, "data": {**sample["data"], "message_id": mark}})
    before, after = text.encode().split(mark.encode())
    return before, after


def environ_of(body: bytes) -> dict[str, Any]:
    """The WSGI environ of one request, which serves once."""
    return {**_ENVIRON, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}


def new_environs() -> Iterator[dict[str, Any]]:
    """Yield endless WSGI environs, of :func:`new_bodies`."""
    return map(environ_of, new_bodies())


def new_requests() -> Iterator[bytes]:
    """The same as they go over the wire."""
    head = _HEAD.encode()
    for body in new_bodies():
        yield b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
