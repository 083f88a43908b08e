"""A contract test: plays every accepted shape of a payload through the host's handlers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import cycle, product
from typing import Any, Final, NamedTuple

from ..events import EVENT_TYPE, Status
from .builder import EventBuilder, Payload
from .checks import NewMessage
from .client import WhatsAppClient

_MISSING: Final = object()
_SHOWN: Final = 100

_VALUES: Final[tuple[object, ...]] = (
    *(_MISSING, None, "", " ", "text", 7, 1.5, True, [], {}, ["text"], {"other": 1}),
    *("two\nlines", '{"json": 1}', "\u202e\U0001f600\u0000", "x" * 1000),
)

_DETAILS: Final[tuple[tuple[str, ...], ...]] = (
    *(("version",), ("account_domain",), ("event_time",), ("actor",), ("new_field",)),
    *(("actor", "id"), ("actor", "name"), ("actor", "type"), ("actor", "new_field")),
    *(("data", "external_reference_id"), ("data", "new_field"), ("data", "error")),
    *(("data", "errors"), ("data", "error", "code"), ("data", "error", "message")),
)

_ERRORS: Final[tuple[object, ...]] = (
    131026,
    "Message undeliverable",
    [{"code": 131026, "message": "Message undeliverable"}],
    {"code": "131026"},
    {"message": "Message undeliverable"},
    {"code": "999999", "message": "A code that nobody knows"},
)

_TIMES: Final[tuple[object, ...]] = (
    *("2025-11-18T09:25:46Z", "2025-11-18T09:25:46.167422931Z", "2025-11-18t14:55:46.5+05:30"),
    *("2025-11-18 09:25:46Z", 1763457946, 1763457946.167, 1763457946167, "1763457946"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
)

_IN_FAILURES: Final = (("error",), ("errors",))
_NEW_STATUS: Final = "PLAYED"
_STATUSES: Final = (*(status.value for status in Status), _NEW_STATUS)


class _Shape(NamedTuple):
    """A variation of a payload: which value is replaced."""

    status: str
    path: tuple[str, ...]
    value: object

    def put_into(self, payload: Payload) -> None:
        *parents, key = self.path
        part: Any = payload
        for parent in parents:
            if not isinstance(part.get(parent), dict):
                part[parent] = {}
            part = part[parent]
        if self.value is _MISSING:
            part.pop(key, None)
        else:
            part[key] = copy.deepcopy(self.value)

    def __str__(self) -> str:
        shown = "missing" if self.value is _MISSING else repr(self.value)
        return f"{'.'.join(self.path)} was {shown[:_SHOWN]}"


def assert_handles_every_payload(
    client: WhatsAppClient, *, new_message: NewMessage = EventBuilder
) -> None:
    """Play payloads of every documented and every tolerated shape; handlers have to accept each.

    These are all statuses and a new one, each detail missing, null and of other types, texts that
    are long or unprintable, errors and times in every accepted form, and unknown fields: about 300
    events in all, each of its own message.

    :param new_message: returns a builder of a new message, before each event; called in an
        application context. A host that needs more than ids creates it here (its ticket, for
        example).
    :raises AssertionError: if one is not accepted, or a handler fails on it, with its exception as
        the cause; a note describes the variation.
    """
    __tracebackhide__ = True
    for shape in _shapes():
        with client.app.app_context():
            message = new_message()
        payload = copy.deepcopy(message.event(shape.status))
        shape.put_into(payload)
        try:
            client.play([payload])
        except AssertionError as error:
            error.add_note(f"In the payload {shape}.")
            raise


def _shapes() -> Iterator[_Shape]:
    for status in _STATUSES:
        yield _Shape(status, ("new_field",), _MISSING)
        yield _Shape(status, ("data", "status"), f" {status.lower()}\n")
    statuses = cycle(_STATUSES)
    for path, value in product(_DETAILS, _VALUES):
        status = Status.FAILED.value if path[1:2] in _IN_FAILURES else next(statuses)
        yield _Shape(status, path, value)
    for value in _ERRORS:
        yield _Shape(Status.FAILED.value, ("data", "error"), value)
        yield _Shape(Status.FAILED.value, ("data", "errors"), value)
    for moment in _TIMES:
        yield _Shape(Status.SENT.value, ("data", "timestamp"), moment)
        yield _Shape(Status.READ.value, ("event_time",), moment)
    yield _Shape(Status.SENT.value, ("event_type",), f" {EVENT_TYPE.upper()} ")
