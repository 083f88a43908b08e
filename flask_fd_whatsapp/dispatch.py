"""Calls handlers one by one, each by itself: one that fails keeps none from running."""

from __future__ import annotations

import inspect
import logging
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

from blinker import NamedSignal
from flask import Flask

from .events import StatusEvent
from .exceptions import ClaimLost, RetryLater
from .handlers import Handler, connected, handlers_of, identity, is_coroutine_function
from .ledger import Claim, Ledger, Recorded, State, Tried
from .ledger.current import handling
from .signals import event_dead, handler_failed, signals_of, status_changed

logger = logging.getLogger(__name__)

MAX_ERROR_LENGTH = 500

_FAILURES = (Exception, CancelledError)


def dispatch(
    app: Flask, ledger: Ledger, event: StatusEvent, recorded: Recorded, claim: Claim
) -> tuple[State, float | None]:
    """Call the handlers of *event* that have not succeeded, and record what they did.

    :return: what has become of the event, and in how many seconds a handler that raised
        :class:`RetryLater` wants to be called again.
    :raises ClaimLost: if the lease ran out; what is not recorded by then will be done again.
    """
    due, superseded = _due(app, event, recorded)
    failed: dict[str, str] = {}
    retry_after: float | None = None
    succeeded: str | None = None
    for handler in due:
        if succeeded is not None:
            claim.succeeded(succeeded)
            succeeded = None
        try:
            with handling(app, ledger, claim):
                call(app, handler.function, event=event)
        except ClaimLost:
            raise
        except RetryLater as later:
            claim.undo()
            retry_after = max(later.seconds, retry_after or 0)
            logger.info("Handler %s wants to be called again: %s", handler.name, later)
        except _FAILURES as error:
            claim.undo()
            failed[handler.name] = _describe(error)
            _report(app, handler, event, error)
        except BaseException as error:
            _let_go(claim, Tried(superseded=superseded, failed={handler.name: _describe(error)}))
            raise
        else:
            succeeded = handler.name
    state = claim.finish(
        Tried(succeeded=succeeded, superseded=superseded, failed=failed, retry_after=retry_after)
    )
    if state is State.DEAD:
        bury(app, event)
    return state, retry_after


def _due(app: Flask, event: StatusEvent, recorded: Recorded) -> tuple[list[Handler], list[str]]:
    """The handlers to call, and the names of those the message has moved past."""
    due: list[Handler] = []
    superseded: list[str] = []
    for handler in handlers_of(signals_of(event), app):
        if handler.name in recorded.succeeded:
            continue
        if recorded.superseded and handler.signal is status_changed:
            superseded.append(handler.name)
        else:
            due.append(handler)
    return due, superseded


def _let_go(claim: Claim, tried: Tried) -> None:
    """Give the message back on the way out: without this it stays claimed until its lease ends."""
    try:
        claim.undo()
        claim.finish(tried)
    except Exception:
        logger.exception("The claim could not be given back; its lease will end.")


def bury(app: Flask, event: StatusEvent) -> None:
    """Tell that *event* is given up."""
    logger.error(
        "Event %s of message %s is dead: it failed FD_WHATSAPP_MAX_ATTEMPTS times.",
        event.status,
        event.message_id,
    )
    notify(event_dead, app, event=event)


def notify(signal: NamedSignal, app: Flask, **arguments: Any) -> None:
    """Send a signal that only tells: a handler that fails is logged, and that is all."""
    for function in connected(signal, app):
        try:
            call(app, function, **arguments)
        except _FAILURES:
            logger.exception("Handler %s failed.", identity(signal, function))


def call(app: Flask, function: Callable[..., Any], **arguments: Any) -> None:
    """Call one handler in an application context of its own.

    :raises TypeError: if it returns an awaitable, which nobody awaits.
    """
    with app.app_context():
        if is_coroutine_function(function):
            app.async_to_sync(function)(app, **arguments)
            return
        result = function(app, **arguments)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(
                "The handler returned an awaitable that nobody awaits: make it a coroutine "
                "function (async def), or wait in it."
            )


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH]


def _report(app: Flask, handler: Handler, event: StatusEvent, error: BaseException) -> None:
    logger.error(
        "Handler %s failed on %s of message %s.",
        handler.name,
        event.status,
        event.message_id,
        exc_info=error,
    )
    notify(handler_failed, app, event=event, handler=handler.name, exception=error)
