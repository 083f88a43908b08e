"""The host's Celery app, and connections to its broker that fail fast."""

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
    """Return the Celery app of *app*.

    :raises ConfigurationError: if it is not where Flask's documentation puts it.
    """
    found = app.extensions.get("celery")
    if not isinstance(found, Celery):
        raise ConfigurationError(
            'Dispatch "celery" needs the Celery app in app.extensions["celery"]: set it up as '
            "Flask's documentation does (Background Tasks with Celery)."
        )
    return found


def connection_to(celery_app: Any) -> Any:
    """Create a connection for publishing, not opened yet, that tries each broker URL once."""
    connection = celery_app.connection_for_write(connect_timeout=TIMEOUT_SECONDS)
    # By default, kombu's connections retry forever, whatever the publisher asked for.
    once = {"interval_start": 0, "interval_step": 0, "interval_max": 0}
    connection.transport_options = {
        **connection.transport_options,
        **dict.fromkeys(_TIMEOUTS.get(connection.transport.driver_type, ()), TIMEOUT_SECONDS),
        **once,
        "max_retries": max(0, len(connection.alt) - 1),
    }
    return connection


def reason_of(error: Exception) -> str:
    """Return why the broker cannot be used: its own message, or the type of any other error.

    The message of another error may contain part of the broker's URL, including its password.
    """
    if isinstance(error, (OperationalError, FreshdeskWhatsAppError)):
        return f"{str(error).rstrip('.')}."
    return f"{type(error).__name__}."


class Producers:
    """The producers of one process, each with a connection of its own.

    A new one is created when all are in use. One that failed, or was idle for so long that
    something on the way may have dropped it, is not used again.
    """

    def __init__(self) -> None:
        self._idle: PerProcess[deque[tuple[float, Any]]] = PerProcess(deque)

    @contextmanager
    def producer(self, celery_app: Any) -> Generator[Any]:
        """Context manager for a producer; it connects at its first publication."""
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
        """Close the idle ones."""
        idle = self._idle.get()
        while idle:
            idle.pop()[1].connection.collect()


def _take(idle: deque[tuple[float, Any]]) -> Any:
    """Return a producer that was not idle for long, or ``None``; close the others."""
    while True:
        try:
            since, producer = idle.pop()
        except IndexError:
            return None
        if time.monotonic() - since < MAX_IDLE_SECONDS:
            return producer
        producer.connection.collect()
