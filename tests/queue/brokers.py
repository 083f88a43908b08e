"""Brokers for tests: each test has its own queue, deleted at the end.

``FD_WHATSAPP_TEST_RABBITMQ_URL`` and ``FD_WHATSAPP_TEST_REDIS_URL`` say where they are.  Without
one its tests are skipped; where ``CI`` is ``true`` they fail.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from redis import Redis

KINDS = ("rabbitmq", "redis")

_DEFAULT_URLS = {
    "rabbitmq": "amqp://guest:guest@127.0.0.1//",
    "redis": "redis://127.0.0.1:6379/0",
}

_ONCE = {"max_retries": 0, "interval_start": 0}

CeleryConfig = dict[str, Any]


@contextmanager
def fresh_queue(kind: str) -> Generator[CeleryConfig]:
    """Celery's configuration for an empty queue; skips the test if there is no such broker."""
    require(kind)
    name = f"fd_whatsapp_{secrets.token_hex(8)}"
    options = {"global_keyprefix": f"{name}:"} if kind == "redis" else {}
    config: CeleryConfig = {
        "broker_url": url_of(kind),
        "broker_transport_options": options,
        "task_default_queue": name,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
    }
    try:
        yield config
    finally:
        _delete(config)


def url_of(kind: str) -> str:
    """Where the broker of *kind* is."""
    return os.environ.get(f"FD_WHATSAPP_TEST_{kind.upper()}_URL") or _DEFAULT_URLS[kind]


def connection(config: CeleryConfig) -> Connection:
    """A connection to the broker of *config*."""
    options = {**config["broker_transport_options"], **_ONCE}
    return Connection(config["broker_url"], connect_timeout=5, transport_options=options)


def waiting(config: CeleryConfig) -> int:
    """How many tasks are in the queue of *config*, 0 if it does not exist yet."""
    name = config["task_default_queue"]
    if config["broker_url"].startswith("redis"):
        with Redis.from_url(config["broker_url"]) as client:
            return int(client.llen(f"{name}:{name}"))
    with connection(config) as opened:
        try:
            return int(Queue(name)(opened.default_channel).queue_declare(passive=True)[1])
        except opened.channel_errors:
            return 0


def require(kind: str) -> None:
    """Skip the test if there is no broker of *kind*, or fail it where one is required."""
    trouble = _trouble(kind)
    if trouble is None:
        return
    reason = f"{kind} cannot be reached: {trouble}. FD_WHATSAPP_TEST_{kind.upper()}_URL says where."
    pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@cache
def _trouble(kind: str) -> str | None:
    config = {"broker_url": url_of(kind), "broker_transport_options": {}}
    with connection(config) as opened:
        try:
            opened.default_channel  # noqa: B018  # connects
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None


def _delete(config: CeleryConfig) -> None:
    name = config["task_default_queue"]
    if config["broker_url"].startswith("redis"):
        with Redis.from_url(config["broker_url"]) as client:
            for key in client.scan_iter(f"{name}:*"):
                client.delete(key)
        return
    with connection(config) as opened:
        Queue(name)(opened.default_channel).delete()
        Exchange(name)(opened.default_channel).delete()
