"""Handlers that end in unusual ways: exits, coroutines, awaitables."""

from __future__ import annotations

import functools
from asyncio import CancelledError, sleep
from collections.abc import Callable, Generator
from typing import Any

import pytest
from flask import Flask, current_app, g
from flask.testing import FlaskClient

from flask_fd_whatsapp import RetryLater, StatusEvent, event_dead, status_received

from ..answers import make_due
from ..conftest import URL, MakeApp, Payload
from ..scripted import Scripted, authorized

EXITS = [SystemExit(3), KeyboardInterrupt(), GeneratorExit()]


class Leaving(BaseException):
    """A host's own exception that is no error."""


class Awaitable:
    def __await__(self) -> Generator[None, None, None]:
        yield


async def coroutine(app: Flask, event: StatusEvent) -> None: ...


async def gives_coroutine(app: Flask, event: StatusEvent) -> Any:
    return coroutine(app, event)


@pytest.mark.parametrize("leaving", [*EXITS, Leaving()])
def test_exits_pass_through(
    app: Flask, client: FlaskClient, payload: Payload, leaving: BaseException
) -> None:
    """What is not an ``Exception`` passes through, and releases the message for the next
    attempt.
    """
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0
    before, after = Scripted("before"), Scripted("after")
    exits = Scripted("exits", leaving)
    for handler in (before, exits, after):
        status_received.connect(handler)
    with pytest.raises(type(leaving)):
        client.post(URL, json=payload())
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert [len(handler.events) for handler in (before, exits, after)] == [1, 2, 1]


def test_other_events_after_an_exit(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """After an exit the message's other events are handled at once."""
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0
    exits = Scripted("exits", SystemExit())
    status_received.connect(exits)
    with pytest.raises(SystemExit):
        client.post(URL, json=payload("queued"))
    assert client.post(URL, json=payload("sent")).json == {"result": "accepted"}


def test_an_exit_counts_as_a_failed_attempt(make_app: MakeApp, payload: Payload) -> None:
    """An exit counts as a failed attempt, so that none repeats for ever, and the death is
    signalled.
    """
    told: list[str] = []
    app = make_app(MAX_ATTEMPTS=2)
    event_dead.connect_via(app)(lambda app, event: told.append(event.status))
    exits = Scripted("exits", *[SystemExit()] * 5)
    status_received.connect(exits)
    client = authorized(app)
    for _ in range(2):
        with pytest.raises(SystemExit):
            client.post(URL, json=payload())
        make_due(app)
    assert client.post(URL, json=payload()).json == {"result": "dead"}
    assert (len(exits.events), told) == (2, ["QUEUED"])


def test_coroutine_function(client: FlaskClient, payload: Payload) -> None:
    """A coroutine function is awaited to its end, in an application context of its own."""
    steps: list[object] = []

    async def handler(app: Flask, event: StatusEvent) -> None:
        steps.append(current_app._get_current_object() is app)  # type: ignore[attr-defined]
        g.mine = True
        await sleep(0)
        steps.append(g.mine)

    def after(app: Flask, event: StatusEvent) -> None:
        steps.append("mine" in g)

    status_received.connect(handler)
    status_received.connect(after)
    assert client.post(URL, json=payload()).status_code == 200
    assert steps == [True, True, False]


class Asynchronous:
    """Every way in which an object can have a coroutine function."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def __call__(self, app: Flask, event: StatusEvent) -> None:
        await sleep(0)
        self.steps.append(event.status)

    async def method(self, app: Flask, event: StatusEvent) -> None:
        await self(app, event)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda handler: handler,
        lambda handler: handler.method,
        lambda handler: functools.partial(handler.method),
        lambda handler: functools.partial(handler),
    ],
    ids=["object", "method", "partial of a method", "partial of an object"],
)
def test_coroutine_objects(
    client: FlaskClient, payload: Payload, wrap: Callable[[Asynchronous], Any]
) -> None:
    """Objects, methods and partials whose call is a coroutine are awaited likewise."""
    handler = Asynchronous()
    status_received.connect(wrap(handler), weak=False)
    assert client.post(URL, json=payload()).status_code == 200
    assert handler.steps == ["QUEUED"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("error", [ValueError("no"), CancelledError(), RetryLater(7)])
def test_raising_coroutine_fails(
    client: FlaskClient, payload: Payload, error: BaseException, is_async: bool
) -> None:
    """A coroutine that raises, even ``CancelledError``, fails like any handler."""
    script = Scripted("script", error)

    async def handler(app: Flask, event: StatusEvent) -> None:
        await sleep(0)
        script(app, event)

    after = Scripted("after")
    status_received.connect(handler if is_async else script)
    status_received.connect(after)
    answer = client.post(URL, json=payload())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == ("7" if isinstance(error, RetryLater) else "30")
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert (len(script.events), len(after.events)) == (2, 1)


@pytest.mark.parametrize("leaving", [SystemExit(3), KeyboardInterrupt()])
def test_exits_of_coroutines(
    app: Flask, client: FlaskClient, payload: Payload, leaving: BaseException
) -> None:
    """An exit passes through a coroutine too, and releases the message."""
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0
    exits = Scripted("exits", leaving)

    async def handler(app: Flask, event: StatusEvent) -> None:
        exits(app, event)

    status_received.connect(handler)
    with pytest.raises(type(leaving)):
        client.post(URL, json=payload())
    assert client.post(URL, json=payload()).json == {"result": "accepted"}


@pytest.mark.parametrize(
    "handler",
    [lambda app, event: coroutine(app, event), lambda app, event: Awaitable(), gives_coroutine],
    ids=["coroutine", "awaitable", "coroutine of a coroutine"],
)
def test_awaitable_nobody_awaits(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    """A handler that returns an awaitable that is never awaited has failed."""
    after = Scripted("after")
    status_received.connect(handler, weak=False)
    status_received.connect(after)
    assert client.post(URL, json=payload()).status_code == 503
    assert "returned an awaitable that is never awaited" in caplog.text
    assert len(after.events) == 1


def generator(app: Flask, event: StatusEvent) -> Any:
    yield event


async def async_generator(app: Flask, event: StatusEvent) -> Any:
    yield event


@pytest.mark.parametrize("handler", [generator, async_generator])
def test_generator_nobody_runs(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    """A handler that is a generator, whose code never runs, has failed."""
    status_received.connect(handler)
    assert client.post(URL, json=payload()).status_code == 503
    assert "remove yield" in caplog.text
