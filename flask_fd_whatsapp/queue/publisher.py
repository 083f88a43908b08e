"""Publishes events' tasks, for the requests that recorded them."""

from __future__ import annotations

from typing import Any

from flask import Flask

from .broker import Producers, celery_of, reason_of
from .broker_check import broker_problem
from .tasks import publish_event


class Publisher:
    """Publishes event ids for the workers of the application's Celery app.

    :param app: the application whose Celery app is used.
    """

    reason_of = staticmethod(reason_of)

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._producers = Producers()

    def __call__(self, receiver_name: str, event_id: Any) -> None:
        """Publish the task of a receiver's event; raise the broker's error, within seconds."""
        with self._producers.producer(celery_of(self._app)) as producer:
            publish_event(self._app, producer, receiver_name, event_id)

    def problem(self) -> str | None:
        """Return why events cannot be handed over, with the remedy; ``None`` if they can."""
        return broker_problem(self._app)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._producers.close()
