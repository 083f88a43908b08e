"""The requests: the vendor's samples in turn, each of a message never seen before."""

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

_ENVIRON = create_environ(
    URL,
    method="POST",
    content_type="application/json",
    headers={
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
        "Authorization": TOKEN,
        "User-Agent": "benchmark/1.0",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
    },
)


def new_bodies() -> Iterator[bytes]:
    """Bodies without end, all of different messages."""
    samples = [json.loads((_PAYLOADS / f"{name}.json").read_bytes()) for name in _SAMPLES]
    for number, sample in zip(count(), cycle(samples)):
        message_id = f"01KAB4HHTBE0818{number:011d}"
        yield json.dumps({**sample, "data": {**sample["data"], "message_id": message_id}}).encode()


def environ_of(body: bytes) -> dict[str, Any]:
    """The WSGI environ of one request, which serves once."""
    return {**_ENVIRON, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
