"""Ends a command whose handler hangs, so that its supervisor starts a new process."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Event, Thread, Timer
from typing import Final

from ..handling.attempt import Attempt
from ..handling.watchdog import watchdog
from ..log_fields import get_logger, log_fields
from .graceful_shutdown import Stop, stopping

logger = get_logger(__name__)

EXIT_STATUS: Final = 75
"""``EX_TEMPFAIL``: try again."""

STOP_SECONDS: Final = 20.0
"""How long a handler may continue after the command was asked to stop."""

RECORD_SECONDS: Final = 30.0
"""How long recording the failed attempt may take; the process exits in any case."""


@contextmanager
def calling_handlers() -> Generator[Stop]:
    """Context manager for a command that calls handlers: asked to stop, it ends between two events.

    A hanging handler counts as failed, and ends the process with status 75. It hangs if it has not
    returned after ``FD_WHATSAPP_HANDLER_SECONDS``, or :data:`STOP_SECONDS` after the command was
    asked to stop.
    """
    has_ended = Event()

    def end_in_time(stop: Stop) -> None:
        stop.wait_until_asked()
        if not has_ended.wait(STOP_SECONDS):
            for attempt in watchdog.running():
                _record(attempt, f"did not return within {STOP_SECONDS:g} seconds of SIGTERM")
            _exit()

    def end(attempt: Attempt) -> None:
        if _record(attempt, f"did not return within {attempt.handler_seconds:g} seconds"):
            _exit()

    with stopping() as stop:
        Thread(target=end_in_time, args=[stop], name="fd_whatsapp_stop", daemon=True).start()
        watchdog.on_hanging = end
        try:
            yield stop
        finally:
            watchdog.on_hanging = None
            has_ended.set()
            stop.give_up_waiting()


def _record(attempt: Attempt, text: str) -> bool:
    """Record that its handler has failed; return false if it has returned after all."""
    handler = attempt.handler or "-"
    failsafe = Timer(RECORD_SECONDS, _exit)
    failsafe.daemon = True
    failsafe.start()
    try:
        if not attempt.abandon(handler, TimeoutError(text)):
            failsafe.cancel()
            return False
    except Exception:
        logger.exception("The hanging handler %s could not be recorded as failed.", handler)
    logger.error(
        "Handler %s %s: exiting with status %d so that the supervisor starts a new process.",
        handler,
        text,
        EXIT_STATUS,
        extra=log_fields(
            receiver=attempt.receiver, event=attempt.event, event_id=attempt.recorded.id
        ),
    )
    return True


def _exit() -> None:
    """Exit without waiting for the hanging thread."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(EXIT_STATUS)
