"""The host's Celery app, and connections to its broker that give up soon."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from flask import Flask
from kombu.exceptions import OperationalError

from ..exceptions import ConfigurationError, FreshdeskWhatsAppError
from ..per_process import PerProcess

TIMEOUT_SECONDS: Final = 1.0
MAX_IDLE: Final = 10
MAX_IDLE_SECONDS: Final = 30.0

_TIMEOUTS: Final = {
    "amqp": ("read_timeout", "write_timeout"),
    "redis": ("socket_timeout", "socket_connect_timeout"),
}
"""What each kind of broker calls its time-outs once a connection is there."""


def celery_of(app: Flask) -> Any:
    """The Celery app of *app*.

    :raises ConfigurationError: if it has none where Flask's documentation puts it.
    """
    found = app.extensions.get("celery")
    if not isinstance(found, Celery):
        raise ConfigurationError(
            'Dispatch "celery" needs the Celery app in app.extensions["celery"]: set it up as '
            "Flask's documentation does (Background Tasks with Celery)."
        )
    return found


def connection_to(celery_app: Any) -> Any:
    """A connection for publishing, not opened yet, that tries each of the broker's URLs once."""
    connection = celery_app.connection_for_write(connect_timeout=TIMEOUT_SECONDS)
    # Left to themselves, kombu's connections try for ever, whatever the publisher asked for.
    once = {"interval_start": 0, "interval_step": 0, "interval_max": 0}
    connection.transport_options = {
        **connection.transport_options,
        **dict.fromkeys(_TIMEOUTS.get(connection.transport.driver_type, ()), TIMEOUT_SECONDS),
        **once,
        "max_retries": max(0, len(connection.alt) - 1),
    }
    return connection


def reason_of(error: Exception) -> str:
    """Why the broker cannot be used: its own words, or the kind of any other error.

    The words of others may hold a part of the broker's URL, and with it of its password.
    """
    if isinstance(error, (OperationalError, FreshdeskWhatsAppError)):
        return f"{str(error).rstrip('.')}."
    return f"{type(error).__name__}."


class Producers:
    """The producers of one process, each with a connection of its own.

    A new one is made when all are in use.  One that failed, or has been idle for so long that
    something on the way may have dropped it, is not used again.
    """

    def __init__(self) -> None:
        self._idle: PerProcess[deque[tuple[float, Any]]] = PerProcess(deque)

    @contextmanager
    def producer(self, celery_app: Any) -> Generator[Any]:
        """A producer for the time of the block; it connects when it first publishes."""
        idle = self._idle.get()
        producer = _take(idle) or connection_to(celery_app).Producer()
        try:
            yield producer
        except BaseException:
            producer.connection.collect()
            raise
        if len(idle) < MAX_IDLE:
            idle.append((time.monotonic(), producer))
        else:
            producer.connection.collect()

    def close(self) -> None:
        """Close what is idle."""
        idle = self._idle.get()
        while idle:
            idle.pop()[1].connection.collect()


def _take(idle: deque[tuple[float, Any]]) -> Any:
    """A producer that was not idle for long, or ``None``; the others are closed."""
    while True:
        try:
            since, producer = idle.pop()
        except IndexError:
            return None
        if time.monotonic() - since < MAX_IDLE_SECONDS:
            return producer
        producer.connection.collect()
