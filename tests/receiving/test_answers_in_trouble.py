from __future__ import annotations

import json
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    RetryLater,
    message_queued,
    status_received,
    webhook_rejected,
)
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import MemoryLedger

from ..answers import OTHER_EVENT, UNUSABLE, assert_problem, assert_result, client_of
from ..conftest import URL, MakeApp, Payload

Seen = list[tuple[str, dict[str, Any]]]


class BrokenLedger(MemoryLedger):
    """Stands in for a ledger whose database is down."""

    errors: ClassVar = [LedgerUnavailable("down"), OSError("disk full"), RecursionError()]

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error
        self.quarantine.keep = self.rejections.note = self.record  # type: ignore[method-assign]

    def record(self, *args: Any, **kwargs: Any) -> Any:
        raise self._error


def test_message_being_handled_is_503(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """While a message is being handled, its other events and the event itself are a 503."""
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0.01
    answers: list[TestResponse] = []

    @message_queued.connect
    def posts_again(app: Flask, event: object) -> None:
        answers.extend(client_of(app).post(URL, json=payload(name)) for name in ("sent", "queued"))

    assert_result(client.post(URL, json=payload("queued")), "accepted")
    for answer in answers:
        assert_problem(answer, 503, "5")
    assert len(answers) == 2
    assert_result(client.post(URL, json=payload("sent")), "accepted")


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (ValueError("no"), "30"),
        (RetryLater(), "60"),
        (RetryLater(0), "1"),
        (RetryLater(1.2), "2"),
        (RetryLater(86400), "86400"),
    ],
    ids=repr,
)
def test_unfinished_handler_is_503(
    client: FlaskClient, payload: Payload, error: Exception, retry_after: str
) -> None:
    """A handler that fails or postpones is a 503, and only it is called again, at once."""
    calls: list[str] = []

    @message_queued.connect
    def succeeds(app: Flask, event: object) -> None:
        calls.append("succeeds")

    @message_queued.connect
    def fails_at_first(app: Flask, event: object) -> None:
        calls.append("fails")
        if calls.count("fails") == 1:
            raise error

    @status_received.connect
    def comes_last(app: Flask, event: object) -> None:
        calls.append("last")

    assert_problem(client.post(URL, json=payload()), 503, retry_after)
    assert_result(client.post(URL, json=payload()), "accepted")
    assert_result(client.post(URL, json=payload()), "duplicate")
    assert calls == ["succeeds", "fails", "last", "fails"]


@pytest.mark.parametrize("error", BrokenLedger.errors, ids=repr)
@pytest.mark.parametrize("reject_invalid", [None, True, False])
def test_nothing_is_acknowledged_while_the_ledger_is_down(
    make_app: MakeApp,
    payload: Payload,
    signals_seen: Seen,
    error: Exception,
    reject_invalid: bool | None,
) -> None:
    """While the ledger is down, nothing that has to be kept is acknowledged or rejected."""
    app = make_app(FreshdeskWhatsApp(ledger=BrokenLedger(error)), REJECT_INVALID=reject_invalid)
    bodies = [json.dumps(payload()).encode(), OTHER_EVENT, *(body for body, _ in UNUSABLE.values())]
    for body in bodies:
        assert_problem(client_of(app).post(URL, data=body), 503, "30")
    assert signals_seen == []


def test_unmakeable_ledger_is_503(make_app: MakeApp, payload: Payload) -> None:
    """A ledger that cannot be created yet is a 503 until it can."""
    is_up = False

    def make_ledger(app: Flask) -> MemoryLedger:
        if not is_up:
            raise ConnectionError("down")
        return MemoryLedger()

    client = client_of(make_app(FreshdeskWhatsApp(ledger=make_ledger)))
    assert_problem(client.post(URL, json=payload()), 503, "30")
    is_up = True
    assert_result(client.post(URL, json=payload()), "accepted")


def test_full_ledger(make_app: MakeApp, payload: Payload) -> None:
    """An in-memory ledger full of unfinished events is a 503 for new ones."""
    client = client_of(make_app(FreshdeskWhatsApp(ledger=MemoryLedger(max_events=1))))

    @message_queued.connect
    def fails_on_one(app: Flask, event: Any) -> None:
        if event.message_id == "M1":
            raise ValueError

    assert_problem(client.post(URL, json=payload(data__message_id="M1")), 503, "30")
    assert_problem(client.post(URL, json=payload(data__message_id="M2")), 503, "30")


def test_handler_of_a_notice_that_fails(app: Flask, client: FlaskClient) -> None:
    """A failing handler of ``webhook_rejected`` does not change the answer."""

    @webhook_rejected.connect
    def fails(app: Flask, **_: Any) -> None:
        raise ValueError

    assert_problem(client.post(URL, data=b"{"), 400)
    assert_problem(app.test_client().post(URL), 401)


def _recurses(*_: Any, **__: Any) -> None:
    _recurses()


async def _is_not_awaited() -> None: ...


class _Awaitable:
    def __await__(self) -> Any: ...


def _cancels(*_: Any, **__: Any) -> None:
    raise CancelledError


BAD_HANDLERS: dict[str, Callable[..., Any]] = {
    "recurses": _recurses,
    "returns an awaitable": lambda app, event: _is_not_awaited(),
    "returns another awaitable": lambda app, event: _Awaitable(),
    "is cancelled": _cancels,
    "takes no event": lambda app: None,
}


@pytest.mark.parametrize("handler", BAD_HANDLERS.values(), ids=BAD_HANDLERS)
def test_bad_handler(
    client: FlaskClient, payload: Payload, signals_seen: Seen, handler: Callable[..., Any]
) -> None:
    """A handler that breaks in any way has failed, and the others are called."""
    message_queued.connect(handler, weak=False)
    assert_problem(client.post(URL, json=payload()), 503, "30")
    names = [name for name, _ in signals_seen]
    assert names == ["message_queued", "handler_failed", "status_changed", "status_received"]
    message_queued.disconnect(handler)
    assert_result(client.post(URL, json=payload()), "accepted")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_handler_that_ends_the_process(
    client: FlaskClient, payload: Payload, error: type[BaseException]
) -> None:
    """An exit passes through without an answer, and releases the message."""
    calls: list[str] = []

    @message_queued.connect
    def ends(app: Flask, event: object) -> None:
        calls.append("queued")
        if len(calls) == 1:
            raise error

    with pytest.raises(error):
        client.post(URL, json=payload())
    assert_result(client.post(URL, json=payload()), "accepted")
    assert calls == ["queued", "queued"]


def test_handler_that_disconnects_itself(client: FlaskClient, payload: Payload) -> None:
    """A handler may disconnect itself while it runs, and those after it are called."""
    calls: list[str] = []

    @message_queued.connect
    def once(app: Flask, event: object) -> None:
        message_queued.disconnect(once)
        calls.append("once")

    @message_queued.connect
    def always(app: Flask, event: object) -> None:
        calls.append("always")

    for message_id in ("M1", "M2"):
        answer = client.post(URL, json=payload(data__message_id=message_id))
        assert_result(answer, "accepted")
    assert calls == ["once", "always", "always"]
