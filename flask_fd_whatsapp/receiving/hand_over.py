"""Hands recorded events over to where their handlers will be called."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from ..log_fields import get_logger, log_fields

logger = get_logger(__name__)

PAUSE_SECONDS: Final = 5.0

Take = Callable[[str, Any], object]
"""Puts a receiver's name and an event's id into a queue; may raise."""


class HandOver:
    """Puts the ids of one receiver's events into a queue, if the queue accepts them.

    The event is already recorded, and the sweep finds events that were not handed over. So nothing
    is raised or retried, and for some seconds after a failure nothing is attempted.

    :param receiver: the receiver's name.
    :param take: puts an id into the queue. Its optional method ``problem()`` says why it cannot,
        with the remedy; its optional method ``reason_of(error)`` describes an error without
        secrets.
    """

    pause_seconds = PAUSE_SECONDS

    def __init__(self, receiver: str, take: Take) -> None:
        self._receiver = receiver
        self._take = take
        self._again_at: float | None = None
        self._lock = Lock()

    def __call__(self, event_id: Any) -> None:
        """Hand an event over, if that is possible now."""
        was_down = self._again_at is not None
        if was_down and not self._may_try():
            return
        try:
            self._take(self._receiver, event_id)
        except Exception as error:
            self._pause(error)
        else:
            if was_down:
                self._again_at = None
                logger.info(
                    "Events of %s are handed over again.",
                    self._receiver,
                    extra=log_fields(receiver=self._receiver),
                )

    def problem(self) -> str | None:
        """Return why events cannot be handed over, with the remedy; ``None`` if they can."""
        problem = getattr(self._take, "problem", None)
        return problem() if problem else None

    def _may_try(self) -> bool:
        """Whether the pause is over: true for one thread, which pauses the others."""
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
            reason_of = getattr(self._take, "reason_of", _kind_of)
            logger.error(
                "Events of %s cannot be handed over: they are recorded, and left to the "
                "sweep until handing over works again. %s `flask fd-whatsapp check` says more.",
                self._receiver,
                reason_of(error),
                extra=log_fields(receiver=self._receiver),
            )
            logger.debug(
                "The traceback:", exc_info=error, extra=log_fields(receiver=self._receiver)
            )


def _kind_of(error: Exception) -> str:
    """Return the type of an error: its message may contain part of a queue's URL and password."""
    return f"{type(error).__name__}."
