"""Requests while the broker is up, down, or flapping."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery.signals import before_task_publish
from celery.utils.saferepr import saferepr

from flask_fd_whatsapp.queue import broker
from flask_fd_whatsapp.queue.broker import connection_to
from flask_fd_whatsapp.receiving.hand_over import HandOver

from ..processes.waiting import wait_until
from .brokers import require, url_of, waiting
from .conftest import MakeSystem
from .proxy import Proxy
from .system import System

SCHEMES = {"amqp": "amqp://guest:guest@127.0.0.1:{}//", "redis": "redis://127.0.0.1:{}/0"}


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """A proxy, down; to the broker of the test's ``broker``, if it has one."""
    target = None
    if "broker" in request.fixturenames:
        broker = request.getfixturevalue("broker")
        require(broker)
        parts = urlsplit(url_of(broker))
        port = parts.port or {"rabbitmq": 5672, "redis": 6379}[broker]
        target = (parts.hostname or "127.0.0.1", port)
    proxy = Proxy(target)
    yield proxy
    proxy.down()


def through(proxy: Proxy, broker: str) -> str:
    """The URL of a broker by way of a proxy."""
    url = urlsplit(url_of(broker))
    account, separator, _ = url.netloc.rpartition("@")
    return url._replace(netloc=f"{account}{separator}127.0.0.1:{proxy.port}").geturl()


@pytest.fixture(autouse=True)
def _no_end_of_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pause end when the test says so."""
    monkeypatch.setattr(HandOver, "pause_seconds", 3600)


def end_pause(system: System) -> None:
    system.hand_over._again_at = 0.0


def wait_for_tasks(system: System, count: int) -> None:
    """Wait for RabbitMQ's count, which lags a little."""
    wait_until(lambda: waiting(system.config) == count, f"{count} tasks are in the queue")


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_handed_over(make_system: MakeSystem, broker: str) -> None:
    """Each new event is one task; a duplicate of an unfinished one is handed over again."""
    system = make_system(broker)
    message_id = system.post()
    system.post_again(message_id)
    system.post_again(message_id, "sent")
    wait_for_tasks(system, 3)
    assert not system.calls(message_id)


def test_the_task_shows_its_arguments_as_celery_would(make_system: MakeSystem) -> None:
    """What logs show of a task's arguments is what Celery itself would write."""
    shown: list[tuple[str, str]] = []
    expected: list[tuple[str, str]] = []

    def look(headers: dict[str, Any], body: tuple[Any, ...], **_: Any) -> None:
        shown.append((headers["argsrepr"], headers["kwargsrepr"]))
        expected.append((saferepr(body[0]), saferepr(body[1])))

    system = make_system("redis")
    before_task_publish.connect(look)
    try:
        system.post()
    finally:
        before_task_publish.disconnect(look)
    assert len(shown) == 1
    assert shown == expected


@pytest.mark.parametrize("is_up", [False, True], ids=["refuses", "is silent"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_a_broker_requests_are_200_and_one_of_them_tests_it(
    make_system: MakeSystem,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
    scheme: str,
    is_up: bool,
) -> None:
    """With a refusing or silent broker requests are 200, and one of them tests it."""
    if is_up:
        proxy.up()
    system = make_system(SCHEMES[scheme].format(proxy.port))
    posted = [system.post() for _ in range(5)]
    assert proxy.connections == int(is_up)
    assert [system.event(message_id).state for message_id in posted] == ["pending"] * 5
    (error,) = errors(caplog)
    assert "left to the sweep" in error
    assert "guest" not in error
    end_pause(system)
    system.post()
    assert proxy.connections == 2 * int(is_up)
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_broker_comes_and_goes(
    make_system: MakeSystem, proxy: Proxy, caplog: pytest.LogCaptureFixture, broker: str
) -> None:
    """Once the broker is back, events are handed over again; each outage is logged once."""
    caplog.set_level(logging.INFO, logger="flask_fd_whatsapp.receiving.hand_over")
    system = make_system(broker)
    celery_app = system.app.extensions["celery"]
    celery_app.conf.broker_write_url = through(proxy, broker)

    system.post()
    assert waiting(system.config) == 0
    for round_ in (1, 2):
        proxy.up()
        system.post()  # within the pause
        end_pause(system)
        before = waiting(system.config)
        for _ in range(3):
            system.post()
        wait_for_tasks(system, before + 3)
        told = [r.levelname for r in caplog.records if r.name.endswith("hand_over")]
        assert told == ["ERROR", "INFO"] * round_
        proxy.down()
        for _ in range(3):
            system.post()  # the first may be lost in the connection that has just ended
        end_pause(system)
        system.post()


def test_idle_connection(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is used again, unless it has been idle for long."""
    system = make_system("rabbitmq")
    opened: list[Any] = []
    monkeypatch.setattr(
        broker, "connection_to", lambda app: opened.append(app) or connection_to(app)
    )
    system.post()
    system.post()
    assert len(opened) == 1
    monkeypatch.setattr(broker, "MAX_IDLE_SECONDS", 0.0)
    system.post()
    assert len(opened) == 2
    wait_for_tasks(system, 3)


@pytest.mark.parametrize("broker", ["rabbitmq"])
def test_one_working_broker_of_several_is_enough(
    make_system: MakeSystem, proxy: Proxy, broker: str
) -> None:
    """One working URL of several broker URLs is enough."""
    proxy.up()
    system = make_system(broker)
    urls = [SCHEMES["amqp"].format(Proxy(None).port), through(proxy, broker)]
    system.app.extensions["celery"].conf.broker_write_url = urls
    system.post()
    wait_for_tasks(system, 1)
    assert proxy.connections == 1


def test_event_is_recorded_without_a_celery_app(
    make_system: MakeSystem, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a Celery app the event is recorded, and the log says what to do."""
    system = make_system("memory://")
    del system.app.extensions["celery"]
    message_id = system.post()
    assert system.event(message_id).state == "pending"
    assert 'app.extensions["celery"]' in caplog.text


def test_eager_handlers_have_run_with_the_answer(make_system: MakeSystem) -> None:
    """With task_always_eager, as in a host's tests, handlers have run before the answer."""
    system = make_system("memory://", task_always_eager=True)
    message_id = system.post()
    assert system.event(message_id).state == "done"
    assert system.calls(message_id)["acted"] == 1
