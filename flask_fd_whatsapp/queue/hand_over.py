"""Hands recorded events to the workers."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any, Final

from flask import Flask

from ..log_fields import get_logger, log_fields
from .broker import Producers, celery_of, reason_of
from .broker_check import broker_problem
from .tasks import HANDLE_EVENT, time_limit

logger = get_logger(__name__)

PAUSE_SECONDS: Final = 5.0


class HandOver:
    """Puts the ids of one receiver's events into the queue, where the broker takes them.

    The event is in the ledger already, and the sweep finds what is not handed over: so nothing
    is raised, nothing tried twice, and for some seconds after a failure nothing tried at all.

    :param app: the application whose Celery app is used.
    :param receiver: the receiver's name.
    """

    pause_seconds = PAUSE_SECONDS

    def __init__(self, app: Flask, receiver: str) -> None:
        self._app = app
        self._receiver = receiver
        self._producers = Producers()
        self._again_at: float | None = None
        self._lock = Lock()

    def __call__(self, event_id: Any) -> None:
        """Hand an event over, if that can be done now."""
        was_down = self._again_at is not None
        if was_down and not self._may_try():
            return
        try:
            self._publish(event_id)
        except Exception as error:
            self._pause(error)
        else:
            if was_down:
                self._again_at = None
                logger.info(
                    "Events of %s are handed to Celery again.",
                    self._receiver,
                    extra=log_fields(receiver=self._receiver),
                )

    def problem(self) -> str | None:
        """Why events cannot be handed over, with the remedy; ``None`` if they can."""
        return broker_problem(self._app)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._producers.close()

    def _publish(self, event_id: Any) -> None:
        celery_app = celery_of(self._app)
        task = celery_app.tasks[HANDLE_EVENT]
        with self._producers.producer(celery_app) as producer:
            limit = time_limit(self._app, self._receiver)
            task.apply_async(
                (self._receiver, event_id), producer=producer, retry=False, time_limit=limit
            )

    def _may_try(self) -> bool:
        """Whether the pause is over: for one thread, which begins another for the rest."""
        with self._lock:
            now = time.monotonic()
            if self._again_at is not None and now < self._again_at:
                return False
            self._again_at = now + self.pause_seconds
            return True

    def _pause(self, error: Exception) -> None:
        with self._lock:
            is_known = self._again_at is not None
            self._again_at = time.monotonic() + self.pause_seconds
        if not is_known:
            logger.error(
                "Events of %s cannot be handed to Celery: they are recorded, and left to the "
                "sweep until they can. %s `flask fd-whatsapp check` says more.",
                self._receiver,
                reason_of(error),
                extra=log_fields(receiver=self._receiver),
            )
            logger.debug(
                "The traceback:", exc_info=error, extra=log_fields(receiver=self._receiver)
            )
