"""Calls handlers one by one, each by itself: one that fails keeps none from running."""

from __future__ import annotations

from typing import Any, NamedTuple

from blinker import NamedSignal
from flask import Flask

from ..events import StatusEvent
from ..exceptions import ClaimLost, GiveUp, LedgerUnavailable, RetryLater, TransactionFailed
from ..ledger import Ledger, Recorded, State, Tried
from ..ledger.context import handling
from ..log_fields import get_logger, log_fields
from ..signals import event_dead, handler_failed, signals_of, status_changed
from ..throttle import Once
from .calling import call, failures
from .handlers import Handler, connected, handlers_of, identity
from .watchdog import Run, watchdog

logger = get_logger(__name__)

MAX_ERROR_LENGTH = 500

CALLS = 4
"""How often a handler is called in one try whose transaction the database gives up."""


class Dispatched(NamedTuple):
    """What a try has come to.

    :param has_failed: a handler failed.
    :param retry_after: in how many seconds one wants to be called again, ``None`` if none does.
    """

    state: State
    has_failed: bool
    retry_after: float | None


def dispatch(app: Flask, ledger: Ledger, recorded: Recorded, run: Run, unheard: Once) -> Dispatched:
    """Call the handlers of the run's event that have not succeeded, and record what they did.

    :param unheard: lets pass the warning of the first event that reaches no handler.
    :raises ClaimLost: if the lease ran out; what is not recorded by then will be done again.
    :raises LedgerUnavailable: likewise, if the ledger went down.
    """
    due, superseded = _due(app, run.event, recorded)
    # A stale event is none of status_changed's, which may have handlers.
    has_reached = due or superseded or recorded.succeeded or run.event.is_stale
    if not has_reached and unheard.admit(None):
        logger.warning(
            "No handler is connected for %s (%s): the event is recorded, and that is all. "
            "`flask fd-whatsapp check` lists what is connected. This is said once.",
            run.event.status,
            ", ".join(signal.name for signal in signals_of(run.event)),
        )
    this = _Try(app, ledger, run, superseded, recorded.postponed)
    try:
        watchdog.enter(run)
        for handler in due:
            this.call(handler, is_last=handler is due[-1])
        return Dispatched(this.end(), bool(this.failed), this.retry_after)
    finally:
        watchdog.leave(run)


def dispatch_one(
    app: Flask, ledger: Ledger, recorded: Recorded, run: Run, name: str
) -> bool | None:
    """Call the handler called *name* with an event that is settled, and record its success.

    :return: whether it succeeded; ``None`` if it was not called, since the event has no such
        handler, it has succeeded before, or it is a ``status_changed`` that its message has
        moved past.
    """
    due, superseded = _due(app, run.event, recorded)
    this = _Try(app, ledger, run, [])
    called = [handler for handler in due if handler.name == name]
    try:
        watchdog.enter(run)
        for handler in called:
            this.call(handler, is_last=False)
    finally:
        watchdog.leave(run)
    run.claim.finish(Tried(superseded=[other for other in superseded if other == name]))
    return not (this.failed or this.postponed or this.gave_up) if called else None


def _due(app: Flask, event: StatusEvent, recorded: Recorded) -> tuple[list[Handler], list[str]]:
    """The handlers to call, and the names of those the message has moved past."""
    handlers = handlers_of(signals_of(event), app)
    if not (recorded.succeeded or recorded.superseded):
        return handlers, []
    due: list[Handler] = []
    superseded: list[str] = []
    for handler in handlers:
        if handler.name in recorded.succeeded:
            continue
        if recorded.superseded and handler.signal is status_changed:
            superseded.append(handler.name)
        else:
            due.append(handler)
    return due, superseded


class _Try:
    """One try at an event, under one claim."""

    def __init__(
        self,
        app: Flask,
        ledger: Ledger,
        run: Run,
        superseded: list[str],
        times_postponed: int = 0,
    ) -> None:
        self.app = app
        self.ledger = ledger
        self.run = run
        self.event = run.event
        self.claim = run.claim
        self.superseded = superseded
        self.times_postponed = times_postponed
        self.failed: dict[str, str] = {}
        self.postponed: dict[str, str] = {}
        self.gave_up: dict[str, str] = {}
        self.retry_after: float | None = None
        self.state: State | None = None

    def call(self, handler: Handler, *, is_last: bool) -> None:
        """Call a handler and record its success; the last one's ends the try.

        If the database gave up the handler's transaction for another's (a deadlock, say), the
        handler is called again at once, :data:`CALLS` times in all.
        """
        error: BaseException | None = None
        try:
            for _ in range(CALLS):
                error = self._run(handler)
                if error is None:
                    error = self._record(handler, is_last=is_last)
                had_conflict = error is not None and self.claim.undo()
                if not had_conflict:
                    break
                logger.info(
                    "The database gave up what handler %s wrote: it is called again.",
                    handler.name,
                    extra=log_fields(handler=handler.name),
                )
            if error is not None:
                self._note(handler, error)
        except (ClaimLost, LedgerUnavailable):
            self.claim.undo()
            raise
        except BaseException as leaving:
            self.failed[handler.name] = _describe(leaving)
            self._give_back()
            raise

    def _run(self, handler: Handler) -> BaseException | None:
        """Call it; whatever it raises, short of leaving the process, is its own failure."""
        self.run.begin(handler.name)
        try:
            with handling(self.app, self.ledger, self.claim):
                call(self.app, handler.function, event=self.event)
        except failures() as error:
            return error
        return None

    def _record(self, handler: Handler, *, is_last: bool) -> BaseException | None:
        """Record a success; if what the handler wrote cannot be committed, it has failed."""
        try:
            if is_last:
                self.state = self._finish(handler.name)
            else:
                self.claim.succeeded(handler.name)
        except TransactionFailed as error:
            return error
        return None

    def _note(self, handler: Handler, error: BaseException) -> None:
        """Note why a handler has not succeeded."""
        if isinstance(error, RetryLater):
            self.retry_after = max(error.seconds, self.retry_after or 0)
            self.postponed[handler.name] = _describe(error)
            logger.info(
                "Handler %s wants to be called again in %g seconds with %s of message %s, "
                "postponed %s before: %s",
                handler.name,
                error.seconds,
                self.event.status,
                self.event.message_id,
                "once" if self.times_postponed == 1 else f"{self.times_postponed} times",
                _describe(error),
                extra=log_fields(handler=handler.name),
            )
        elif isinstance(error, GiveUp):
            self.gave_up[handler.name] = _describe(error)
            logger.error(
                "Handler %s gives up on %s of message %s: %s",
                handler.name,
                self.event.status,
                self.event.message_id,
                _describe(error),
                extra=log_fields(handler=handler.name),
            )
        else:
            self._fail(handler, error)

    def _fail(self, handler: Handler, error: BaseException) -> None:
        self.failed[handler.name] = _describe(error)
        logger.error(
            "Handler %s failed on %s of message %s.",
            handler.name,
            self.event.status,
            self.event.message_id,
            exc_info=error,
            extra=log_fields(handler=handler.name),
        )
        with handling(self.app, self.ledger, None):
            notify(
                handler_failed, self.app, event=self.event, handler=handler.name, exception=error
            )

    def end(self) -> State:
        """Record what is not recorded yet; tell if the event is dead."""
        state = self.state or self._finish()
        if state is State.DEAD:
            has_given_up = not self.failed and self.retry_after is None
            with handling(self.app, self.ledger, None):
                bury(self.app, self.event, _GAVE_UP if has_given_up else _TOO_MUCH)
        return state

    def _finish(self, succeeded: str | None = None) -> State:
        return self.claim.finish(
            Tried(
                succeeded=succeeded,
                superseded=self.superseded,
                failed=self.failed,
                postponed=self.postponed,
                retry_after=self.retry_after,
                gave_up=self.gave_up,
            )
        )

    def _give_back(self) -> None:
        """On the way out of the process, or the message stays claimed until its lease ends."""
        try:
            self.claim.undo()
            self.end()
        except Exception:
            logger.exception("The claim could not be given back; its lease will end.")


_TOO_MUCH = "it was tried too often, or for too long"
_GAVE_UP = "a handler gave up, and no other is left to call"


def bury(app: Flask, event: StatusEvent, why: str = _TOO_MUCH) -> None:
    """Tell that *event* is dead."""
    logger.error(
        "%s of message %s is dead: %s. `flask fd-whatsapp events --state dead` lists such events, "
        "`flask fd-whatsapp retry --dead` tries them again.",
        event.status,
        event.message_id,
        why,
    )
    notify(event_dead, app, event=event)


def notify(signal: NamedSignal, app: Flask, **arguments: Any) -> None:
    """Send a signal that only tells: a handler that fails is logged, and that is all."""
    for function in connected(signal, app):
        try:
            call(app, function, **arguments)
        except failures():
            name = identity(signal, function)
            logger.exception("Handler %s failed.", name, extra=log_fields(handler=name))


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}"[:MAX_ERROR_LENGTH]
