"""The API key appears nowhere: in no text, no log, and no frame of any exception."""

from __future__ import annotations

import base64
import gc
import logging
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from flask_fd_whatsapp.freshdesk import (
    FreshdeskAPIError,
    FreshdeskClient,
    NotAllowed,
    SendUnknown,
    TemplateMessage,
    Unreachable,
)
from flask_fd_whatsapp.settings import Settings

from .raw_servers import answer_of, answering, listening, request_of

KEY = "s3cretK3yOfAnAgent"
TO = "+4915112345678"
WRITTEN = (KEY, base64.b64encode(f"{KEY}:X".encode()).decode()[:-2])
TEMPLATE = TemplateMessage("order_update", "en", body=["Ada"])
PACKAGE = "flask_fd_whatsapp"


def client_of(port: int, key: str = KEY, **options: Any) -> FreshdeskClient:
    return FreshdeskClient(f"http://127.0.0.1:{port}", key, sender="+1415", retries=0, **options)


def frames_of(error: BaseException | None, seen: set[int]) -> Iterator[FrameType]:
    """The frames of an exception, of what it came from, and of what was being handled."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield frame
    yield from frames_of(error.__cause__, seen)
    yield from frames_of(error.__context__, seen)


def texts_of(value: object, depth: int = 4) -> Iterator[str]:
    """What can be read of a value: its repr, and those of its parts and attributes.

    Of :class:`Settings` the repr alone: they have the key, as ``app.config`` has it.
    """
    if isinstance(value, (bytes, bytearray)):
        yield value.decode("latin-1")
    else:
        yield repr(value)
    if depth and not isinstance(value, (str, bytes, type, Settings)):
        parts: list[object] = []
        if isinstance(value, dict):
            parts = [*value, *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts = list(value)
        elif (type(value).__module__ or "").partition(".")[0] in (PACKAGE, "urllib3", "http"):
            slots = [n for k in type(value).__mro__ for n in getattr(k, "__slots__", ())]
            parts = [getattr(value, n, None) for n in slots]
            parts += list(getattr(value, "__dict__", {}).values())
        for part in parts:
            yield from texts_of(part, depth - 1)


def key_is_in(error: BaseException) -> list[str]:
    """Where the key can be read in an exception: its texts, and the frames that are the package's
    or below it."""
    places = [f"text {form}" for form in WRITTEN if form in f"{error!r} {error}"]
    for frame in frames_of(error, set()):
        if frame.f_globals.get("__name__", "").partition(".")[0] == "tests":
            continue  # where the key is given
        for name, value in frame.f_locals.items():
            for text in texts_of(value):
                if any(form in text for form in WRITTEN):
                    places.append(f"{frame.f_code.co_qualname}: {name}")
    return places


def failing(sent: bytes, kind: type[FreshdeskAPIError], **options: Any) -> BaseException:
    with listening(answering(sent)) as port:
        client = client_of(port, **options)
        with pytest.raises(kind) as caught:
            client.send(to=TO, template=TEMPLATE, external_reference_id="T1")
        return caught.value


FAILURES: dict[str, tuple[bytes, type[FreshdeskAPIError]]] = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", SendUnknown),
    "half a body": (b"HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n{", SendUnknown),
    "cut": (b"", SendUnknown),
    "401": (answer_of(b'{"code": "invalid_credentials"}', "401 Unauthorized"), NotAllowed),
}


@pytest.mark.parametrize(("sent", "kind"), FAILURES.values(), ids=FAILURES)
def test_key_is_in_no_error(
    sent: bytes, kind: type[FreshdeskAPIError], caplog: pytest.LogCaptureFixture
) -> None:
    """An error has the key in no text and no frame, and carries no other error."""
    caplog.set_level(logging.DEBUG)
    error = failing(sent, kind)
    assert error.__context__ is error.__cause__ is None
    assert key_is_in(error) == []
    assert not any(form in caplog.text for form in WRITTEN)
    assert TO.strip("+") not in caplog.text + str(error) + repr(error)


def test_key_is_in_no_error_of_connecting() -> None:
    """The same holds without a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        client_of(port).retrieve("M1")
    assert caught.value.__context__ is None
    assert key_is_in(caught.value) == []


def test_key_is_in_no_error_of_time() -> None:
    """The same holds when the deadline passes."""
    with listening(_drain) as port, pytest.raises(SendUnknown) as caught:
        client_of(port, timeout=0.2).send(to=TO, template=TEMPLATE)
    assert key_is_in(caught.value) == []


def _drain(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


class Interruption(BaseException):
    """As a worker's time-out or a greenlet's is raised."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Interruption, MemoryError])
def test_key_is_in_no_interruption(kind: type[BaseException]) -> None:
    """An interruption passes through unchanged, without the frames that contained the key."""
    raised = kind("stop")

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise raised

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        _drain(connection)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with listening(converse) as port, pytest.raises(kind) as caught:
            client_of(port).send(to=TO, template=TEMPLATE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value is raised
    assert raised.__context__ is raised.__cause__ is None
    assert key_is_in(raised) == []


def test_the_search_finds_a_key() -> None:
    """The search for the key finds it where it is."""
    scope: dict[str, Any] = {"__name__": "elsewhere"}
    exec("def shows(header): raise ValueError('no')", scope)
    with pytest.raises(ValueError, match="no") as caught:
        scope["shows"]({"Authorization": [f"Basic {WRITTEN[1]}"]})
    assert set(key_is_in(caught.value)) == {"shows: header"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: FreshdeskClient("no host", KEY),
        lambda: FreshdeskClient("acme.freshdesk.com", f"{KEY}:X"),
        lambda: FreshdeskClient("acme.freshdesk.com", KEY, sender=" "),
        lambda: FreshdeskClient("acme.freshdesk.com", KEY, timeout=0),
        lambda: FreshdeskClient("acme.freshdesk.com", KEY, retries=-1),
        lambda: FreshdeskClient("acme.freshdesk.com", KEY, calls_a_minute=0),
        lambda: FreshdeskClient("acme.freshdesk.com", KEY).send(to=7, template=TEMPLATE),  # type: ignore[arg-type]
    ],
)
def test_key_is_in_no_error_of_making_a_client(make: Callable[[], object]) -> None:
    """Wrong arguments, the key itself included, are told without it."""
    with pytest.raises(ValueError, match=r"to|key|domain|sender|timeout|retries|calls") as caught:
        make()
    assert key_is_in(caught.value) == []


def test_key_is_in_no_attribute() -> None:
    """The key cannot be read from the client, even after a call."""
    with listening(answering(answer_of(b'{"success": true, "message_id": "M1"}'))) as port:
        client = client_of(port)
        client.send(to=TO, template=TEMPLATE)
        gc.collect()
        assert not [t for t in texts_of(client, 6) if any(form in t for form in WRITTEN)]
        client.close()


def test_no_number_is_shown() -> None:
    """A recipient's number is in no repr of what is sent, and in no error of a wrong one."""
    client = client_of(1)
    request = client.prepare(to=TO, template=TEMPLATE)
    assert TO.encode() in request.body
    assert TO.strip("+") not in repr(request)
    with pytest.raises(ValueError, match="to has to be") as caught:
        client.prepare(to=f" {TO}", template=TEMPLATE)
    assert TO.strip("+") not in str(caught.value)
