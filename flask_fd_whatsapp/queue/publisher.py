"""Publishes events' tasks, for the requests that recorded them."""

from __future__ import annotations

from typing import Any

from flask import Flask

from .broker import Producers, celery_of, reason_of
from .broker_check import broker_problem
from .tasks import HANDLE_EVENT, time_limit


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
        celery_app = celery_of(self._app)
        task = celery_app.tasks[HANDLE_EVENT]
        with self._producers.producer(celery_app) as producer:
            limit = time_limit(self._app, receiver_name)
            task.apply_async(
                (receiver_name, event_id), producer=producer, retry=False, time_limit=limit
            )

    def problem(self) -> str | None:
        """Return why events cannot be handed over, with the remedy; ``None`` if they can."""
        return broker_problem(self._app)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._producers.close()
