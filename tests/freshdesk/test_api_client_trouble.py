"""The client with a failing API, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import Status
from flask_fd_whatsapp.freshdesk import (
    FreshdeskClient,
    MessageNotFound,
    NotAllowed,
    NotSent,
    RateLimited,
    Refused,
    SendUnknown,
    Unreachable,
    UnusableAnswer,
)
from flask_fd_whatsapp.freshdesk.pace import LocalRateStore, Pace, Rate
from flask_fd_whatsapp.simulator import FreshdeskSimulator, at_random, create_api

from ..simulator.servers import serving
from .raw_servers import answer_of, answering, listening
from .test_api_client import KEY, SENDER, TEMPLATE, TO
from .test_pace import Clock

PATH = "/api/v2/channels/outbound-messages"


class Double:
    """The double over HTTP, and a client of it whose time passes only in its sleep."""

    def __init__(self, stack: ExitStack, *trouble: str | None, **options: Any) -> None:
        self.simulator = FreshdeskSimulator()
        self.clock = Clock()
        limits = {"calls_a_minute": options.pop("limit", 1000), "now": self.clock}
        self.app: Flask = create_api(self.simulator, api_key=KEY, trouble=trouble, **limits)
        url = stack.enter_context(serving(self.app))
        options = {"sender": SENDER, "timeout": 20, **options}
        calls = options.pop("calls_a_minute", 600)
        pace = Pace(Rate(calls), LocalRateStore(self.clock), sleep=self.clock.sleep)
        self.client = FreshdeskClient(url, KEY, **options).at_pace(pace)
        stack.callback(self.client.close)

    @property
    def calls(self) -> int:
        return len(self.app.extensions["freshdesk_api"].calls)

    def send(self, **options: Any) -> Any:
        return self.client.send(to=TO, template=TEMPLATE, **options)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


SENDS: dict[str, tuple[type[Exception], int]] = {
    "cut-before": (SendUnknown, 0),
    "cut-after": (SendUnknown, 1),
    "cut-within": (SendUnknown, 1),
    "half-json": (SendUnknown, 1),
    "error-after": (SendUnknown, 1),
    "error": (SendUnknown, 0),
    "unavailable": (SendUnknown, 0),
    "html": (SendUnknown, 0),
    "wrong-domain": (Refused, 0),
    "redirect": (Refused, 0),
    "suspended": (NotAllowed, 0),
    "unsuccessful": (Refused, 0),
}


@pytest.mark.parametrize(("name", "kind", "made"), [(n, *s) for n, s in SENDS.items()])
def test_failed_send_is_not_repeated(
    name: str, kind: type[Exception], made: int, stack: ExitStack
) -> None:
    """A failed call is posted once, and reported as not sent only if that is certain."""
    double = Double(stack, name)
    with pytest.raises(kind) as caught:
        double.send(external_reference_id="T1")
    assert (double.calls, len(double.simulator.messages)) == (1, made)
    assert not (isinstance(caught.value, NotSent) and made)
    assert TO.strip("+") not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("name", ["slow", "dripping"])
def test_send_ends_in_time(name: str, stack: ExitStack) -> None:
    """A slow or trickling answer times out."""
    double = Double(stack, name, timeout=0.3)
    with pytest.raises(SendUnknown, match=r"0\.3 s"):
        double.send(external_reference_id="T1")
    assert len(double.simulator.messages) == 1


@pytest.mark.parametrize("name", ["ok", "accepted"])
def test_any_success_of_the_api_is_sent(name: str, stack: ExitStack) -> None:
    """It does not matter whether the answer is a 200, a 201 or a 202."""
    double = Double(stack, name)
    assert double.send().message_id in double.simulator.messages


def test_send_waits_and_is_repeated_after_429(stack: ExitStack) -> None:
    """After a 429 and its pause, the message is sent once."""
    double = Double(stack, limit=1)
    double.send(external_reference_id="T1")
    double.send(external_reference_id="T2", wait=70)
    assert (double.calls, len(double.simulator.messages)) == (3, 2)
    assert double.clock.slept == pytest.approx([60])


def test_send_does_not_wait_for_long(stack: ExitStack) -> None:
    """If the pause is longer than allowed, the error says for how long, and no call is made."""
    double = Double(stack, limit=1)
    double.send()
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            double.send(wait=5)
        assert caught.value.retry_after == pytest.approx(60)
    assert (double.calls, double.clock.slept) == (2, [])


def test_storm_of_429_ends(stack: ExitStack) -> None:
    """429s with odd pauses lead to a limited number of calls."""
    double = Double(stack, *["limited"] * 50, retries=3)
    with pytest.raises(RateLimited):
        double.send(wait=1e6)
    assert double.calls == 4
    assert all(1 <= seconds <= 121 for seconds in double.clock.slept)


def test_calls_keep_the_pace(stack: ExitStack) -> None:
    """In no minute are there more calls than the client may make."""
    double = Double(stack, calls_a_minute=20)
    for _ in range(50):
        double.send(wait=1e6)
    assert double.app.extensions["freshdesk_api"].most_in_a_minute <= 20


@pytest.mark.parametrize(
    "name",
    [
        "cut-before",
        "cut-within",
        "half-json",
        "error",
        "unavailable",
        "html",
        "limited",
        "other-message",
    ],
)
def test_asking_is_repeated(name: str, stack: ExitStack) -> None:
    """A retrieval is repeated after an unusable answer."""
    double = Double(stack, None, name, name)
    sent = double.send()
    assert double.client.retrieve(sent.message_id, wait=1000).status == Status.QUEUED
    assert double.calls == 4
    assert double.clock.slept


ASKED: dict[str, tuple[type[Exception], int]] = {
    "error": (UnusableAnswer, 4),
    "html": (UnusableAnswer, 4),
    "other-message": (UnusableAnswer, 4),
    "cut-before": (Unreachable, 4),
    "limited": (RateLimited, 4),
    "wrong-domain": (MessageNotFound, 1),
    "redirect": (Refused, 1),
    "suspended": (NotAllowed, 1),
}


@pytest.mark.parametrize(("name", "kind", "calls"), [(n, *a) for n, a in ASKED.items()])
def test_asking_stops_after_a_limited_number_of_calls(
    name: str, kind: type[Exception], calls: int, stack: ExitStack
) -> None:
    """It stops after a limited number of calls, and at once if repeating is useless."""
    double = Double(stack, None, *[name] * 10)
    sent = double.send()
    with pytest.raises(kind):
        double.client.retrieve(sent.message_id, wait=1e6)
    assert double.calls == 1 + calls


def test_asking_does_not_wait_for_long(stack: ExitStack) -> None:
    """It is not repeated after the time to wait is over."""
    double = Double(stack, *["error"] * 10)
    with pytest.raises(UnusableAnswer):
        double.client.retrieve("x", wait=0.1)
    assert (double.calls, double.clock.slept) == (1, [])


def test_unknown_status_is_told(stack: ExitStack) -> None:
    """An undocumented status is a text."""
    double = Double(stack, None, "unknown-status")
    assert double.client.retrieve(double.send().message_id).status == "ACCEPTED"


@pytest.mark.parametrize("message_id", ["", ".", "..", "\ud800"])
def test_what_can_be_no_id_is_not_asked_for(message_id: str, stack: ExitStack) -> None:
    """An id that would name another path cannot be a message's."""
    double = Double(stack)
    with pytest.raises(MessageNotFound):
        double.client.retrieve(message_id)
    assert double.calls == 0


@pytest.mark.parametrize(
    ("message_id", "path"),
    [
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a b\r\nX: y", "a%20b%0D%0AX%3A%20y"),
        ("é%2e", "%C3%A9%252e"),
    ],
)
def test_ids_are_percent_encoded(message_id: str, path: str) -> None:
    """Any id stays one segment of the path."""
    seen: list[bytes] = []
    body = json.dumps({"message_id": message_id, "status": "SENT"}).encode()
    with listening(answering(answer_of(body), seen=seen)) as port:
        client = FreshdeskClient(f"http://127.0.0.1:{port}", KEY)
        assert client.retrieve(message_id).message_id == message_id
        client.close()
    assert seen[0].startswith(f"GET {PATH}/{path} HTTP/1.1\r\n".encode())


def test_half_a_head_is_unknown() -> None:
    """A connection that ends within the answer's head says nothing of the message."""
    with listening(answering(b"HTTP/1.1 201 Created\r\nContent-")) as port:
        client = FreshdeskClient(f"http://127.0.0.1:{port}", KEY, sender=SENDER)
        with pytest.raises(SendUnknown):
            client.send(to=TO, template=TEMPLATE)


def test_campaign_of_threads_in_trouble(stack: ExitStack) -> None:
    """For many messages sent by concurrent threads, each outcome is true."""
    trouble = at_random(40, ["cut-before", "cut-after", "half-json", "error", "redirect"], seed=7)
    faults = [next(trouble) for _ in range(200)]
    double = Double(stack, *faults, calls_a_minute=100_000)
    outcomes: dict[str, str] = {}

    def send(numbers: range) -> None:
        for number in numbers:
            reference = f"T{number}"
            try:
                outcomes[reference] = double.send(external_reference_id=reference).message_id
            except NotSent:
                outcomes[reference] = "not sent"
            except SendUnknown as error:
                outcomes[error.external_reference_id] = "unknown"

    threads = [threading.Thread(target=send, args=(range(n, 200, 4),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {m.external_reference_id: m.id for m in double.simulator.messages.values()}
    assert len(made) == len(double.simulator.messages)  # nobody got two messages
    assert double.calls == len(outcomes) == 200
    for reference, outcome in outcomes.items():
        if outcome == "not sent":
            assert reference not in made
        elif outcome != "unknown":
            assert made[reference] == outcome
    assert {"not sent", "unknown"} < set(outcomes.values())
