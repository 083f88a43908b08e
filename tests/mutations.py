"""hypothesis strategies: the vendor's samples, and their mutations."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from .conftest import PAYLOADS, SAMPLES

_SAMPLES = [json.loads((PAYLOADS / f"{name}.json").read_text()) for name in SAMPLES]

_NASTY_TEXTS = [
    *("", " ", "\0", "\ud800", "\u2028", 255 * "x", 256 * "x", 300 * "\U0001f600"),
    *("2025-11-18T09:25:43Z", "2025-11-18T09:25:43.1+05:30", "2025-11-18", "2025-11-18T24:00:00Z"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01", "2025-11-18t09:25:43.123456789z"),
    *("queued", "Read", "FAILED", "PLAYED", "\u017fent", "2.0.0", "outbound_message_event"),
    *("READ ", "\tsent\n", "OUTBOUND_MESSAGE_EVENT", "1763457945", "2025-11-18 09:25:43Z"),
    *("a\nb\tc", '{"order": 1}', "\u202e\u2066"),
]
_NASTY_NUMBERS = [
    0,
    -1,
    1.5,
    1e400,
    -1e400,
    10**300,
    2**64,
    11011399037,
    11011399037.0,
    1763457945885,
]

_leaves = (
    st.none()
    | st.booleans()
    | st.sampled_from(_NASTY_NUMBERS)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(_NASTY_TEXTS)
    | st.text(max_size=20)
)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
_paths = st.sampled_from(
    [
        *(("version",), ("account_id",), ("account_domain",), ("event_type",), ("event_time",)),
        *(("actor",), ("actor", "id"), ("actor", "name"), ("actor", "type"), ("new field",)),
        *(("data",), ("data", "external_reference_id"), ("data", "message_id")),
        *(("data", "status"), ("data", "timestamp"), ("data", "error"), ("data", "new field")),
        *(("data", "error", "code"), ("data", "error", "message"), ("data", "errors")),
    ]
)
_detail_paths = st.sampled_from(
    [
        *(("version",), ("account_domain",), ("event_time",), ("new field",), ("actor",)),
        *(("actor", "id"), ("actor", "name"), ("actor", "type"), ("data", "external_reference_id")),
        *(("data", "error"), ("data", "error", "code"), ("data", "error", "message")),
        *(("data", "errors"), ("data", "new field")),
    ]
)
_MISSING = object()


def _place(payload: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *parents, key = path
    part: Any = payload
    for parent in parents:
        part = part.get(parent) if isinstance(part, dict) else None
    if not isinstance(part, dict):
        return
    if value is _MISSING:
        part.pop(key, None)
    else:
        part[key] = value


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """A usable event: a sample of one of a few messages, with a time of its own."""
    payload = copy.deepcopy(draw(st.sampled_from(_SAMPLES)))
    data = payload["data"]
    payload["account_id"] = draw(st.sampled_from(["1", 1, "2"]))
    data["message_id"] = draw(st.sampled_from(["M1", "M2", "3", 3]))
    data["timestamp"] = f"2025-11-18T{draw(st.integers(0, 23)):02}:00:00Z"
    data["external_reference_id"] = draw(st.sampled_from([None, "", "R1", "R2", 7]))
    if draw(st.booleans()):
        data["status"] = draw(st.sampled_from(["read", "Sent", "PLAYED", "DELETED"]))
    return payload


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """An event with some fields changed or left out, or something else entirely."""
    payload = draw(events())
    for _ in range(draw(st.integers(1, 3))):
        _place(payload, draw(_paths), draw(st.just(_MISSING) | _values))
    wholes = [payload, payload, payload, [payload], payload.get("data")]
    return draw(st.sampled_from(wholes))


@st.composite
def _with_odd_details(draw: st.DrawFn) -> dict[str, Any]:
    """An event with fields other than the strict five changed or left out."""
    payload = draw(events())
    for _ in range(draw(st.integers(1, 6))):
        _place(payload, draw(_detail_paths), draw(st.just(_MISSING) | _values))
    return payload


def _encoded(payload: Any, ensure_ascii: bool, encoding: str) -> bytes:
    text = json.dumps(payload, ensure_ascii=ensure_ascii)
    return text.encode(encoding, "surrogatepass")


def _damaged(body: bytes, at: float, cut: int, put: bytes) -> bytes:
    start = int(at * len(body))
    return body[:start] + put + body[start + cut :]


_usable = st.builds(_encoded, events(), st.booleans(), st.sampled_from(["utf-8", "utf-8-sig"]))
_changed = st.builds(
    _encoded, mutated(), st.booleans(), st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
)
_broken = st.builds(
    _damaged,
    _usable,
    st.floats(0, 1),
    st.sampled_from([0, 1, 2, 10_000]),
    st.binary(max_size=3)
    | st.sampled_from([b"", b'"', b"{", b"[", b"NaN", b"\\u0000", b",", b"9"])
    | st.integers(4200, 4400).map(lambda digits: digits * b"9"),
)

_PATHS = [
    *(("version",), ("account_id",), ("event_type",), ("event_time",), ("actor",)),
    *(("actor", "id"), ("new field",), ("data",), ("data", "external_reference_id")),
    *(("data", "message_id"), ("data", "status"), ("data", "timestamp"), ("data", "error")),
    *(("data", "error", "code"), ("data", "errors"), ("data", "new field")),
]


def many_mutated(count: int) -> Iterator[dict[str, Any]]:
    """Many samples with some fields changed or left out: a thousand take a tenth of a second."""
    leaves = [None, True, False, _MISSING, *_NASTY_TEXTS, *_NASTY_NUMBERS]
    values = [*leaves, *leaves, [], {}, ["text"], [{"code": 7}], {"code": [1]}, {"id": 7}]
    for _ in range(count):
        payload = copy.deepcopy(random.choice(_SAMPLES))
        for _ in range(random.randint(1, 4)):
            _place(payload, random.choice(_PATHS), copy.deepcopy(random.choice(values)))
        yield payload


details = _with_odd_details().map(
    lambda payload: json.dumps(payload).replace("Infinity", "1e999").encode()
)
"""Bodies of events whose details are odd."""

bodies = st.lists(_usable | _changed | _broken | st.binary(max_size=40), min_size=1, max_size=12)
"""Several bodies to be posted one after the other."""
