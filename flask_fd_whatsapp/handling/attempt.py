"""One attempt at an event: which handler is being called, and the outcome so far."""

from __future__ import annotations

from threading import get_ident
from time import monotonic
from typing import Final, cast

from flask import Flask

from ..events import StatusEvent
from ..exceptions import ClaimLost, GiveUp, LedgerUnavailable, RetryLater, TransactionFailed
from ..ledger import Claim, Ledger, Policy, Recorded, State, Tried
from ..ledger.context import handling
from ..log_fields import get_logger, log_fields
from ..signals import handler_failed
from .calling import call, failures
from .handlers import Handler
from .notices import GAVE_UP, TOO_MUCH, bury, notify
from .observing import Observer

logger = get_logger(__name__)

MAX_ERROR_LENGTH: Final = 500

CALLS: Final = 4
"""How often a handler is called in one attempt if the database aborts its transaction."""


class Attempt:
    """An attempt at an event under one claim, which ends with it.

    :param receiver: the name of the receiver that recorded the event.
    :param recorded: the event as recorded in the ledger, with the claim.
    :param event: the event as passed to its handlers.
    :param observer: observes the attempt; optional.
    :ivar tried: the outcome so far that the ledger does not know yet.
    :ivar state: the event's state, ``None`` until the attempt has ended.
    :ivar handler: the name of the handler that is running, or ran last.
    :ivar since: when it was called, on the monotonic clock.
    :ivar pace: the maximum number of seconds between two checks by the watchdog.
    :ivar watched: the attempts that the watchdog checks, including this one.
    """

    __slots__ = (
        "app",
        "claim",
        "event",
        "handler",
        "handler_seconds",
        "is_reported",
        "lease_seconds",
        "ledger",
        "observer",
        "pace",
        "receiver",
        "recorded",
        "renew_at",
        "since",
        "state",
        "thread",
        "tried",
        "watched",
    )

    def __init__(
        self,
        app: Flask,
        ledger: Ledger,
        policy: Policy,
        receiver: str,
        recorded: Recorded,
        event: StatusEvent,
        observer: Observer | None = None,
    ) -> None:
        self.observer = observer
        self.app = app
        self.ledger = ledger
        self.receiver = receiver
        self.recorded = recorded
        self.claim = cast(Claim, recorded.claim)
        self.event = event
        self.tried = Tried()
        self.state: State | None = None
        self.lease_seconds = policy.lease_seconds
        self.handler_seconds = policy.handler_seconds
        quarter, seconds = self.lease_seconds / 4, self.handler_seconds
        self.pace = seconds if seconds and seconds < quarter else quarter
        self.thread = get_ident()
        self.watched: dict[int, Attempt] = {}
        self.handler: str | None = None
        self.since = monotonic()
        self.renew_at = self.since + self.lease_seconds / 2
        self.is_reported = False

    @property
    def is_replay(self) -> bool:
        """Whether the event was settled before, and stays so."""
        return self.recorded.state is not State.PENDING

    @property
    def next_look(self) -> float:
        """Return when the watchdog next has something to do."""
        if self.handler_seconds is None or self.is_reported:
            return self.renew_at
        return min(self.renew_at, self.since + self.handler_seconds)

    def begin(self, handler: str) -> None:
        """Note that *handler* is being called."""
        self.handler, self.since, self.is_reported = handler, monotonic(), False

    def call(self, handler: Handler, *, is_last: bool) -> None:
        """Call a handler and record its success; the last handler's success ends the attempt.

        If the database aborted the handler's transaction in favour of another (a deadlock, say),
        the handler is called again at once, :data:`CALLS` times in all.
        """
        error: BaseException | None = None
        try:
            for _ in range(CALLS):
                observer = self.observer
                if observer is None:
                    error = self._run(handler)
                else:
                    error = observer.call(self.receiver, handler, self._run)
                if error is None:
                    error = self._record(handler.name, is_last=is_last)
                had_conflict = error is not None and self.claim.undo()
                if not had_conflict:
                    break
                logger.info(
                    "The database aborted the transaction of handler %s: calling it again.",
                    handler.name,
                    extra=log_fields(handler=handler.name),
                )
            if error is not None:
                self._note(handler.name, error)
        except (ClaimLost, LedgerUnavailable):
            self.claim.undo()
            raise
        except BaseException as leaving:
            self.tried.failed[handler.name] = _describe(leaving)
            self._give_back()
            raise

    def end(self) -> None:
        """Record what is not recorded yet, and report the event if it is dead."""
        if self.state is None:
            self.state = self.claim.finish(self.tried)
        if self.state is State.DEAD:
            has_given_up = not self.tried.failed and self.tried.retry_after is None
            bury(self.app, self.ledger, self.event, GAVE_UP if has_given_up else TOO_MUCH)

    def abandon(self, handler: str, error: Exception) -> bool:
        """Record, from a thread other than the handler's, that it hangs.

        :return: false, with nothing changed, if it has returned after all.
        """
        state = self.claim.abandon(Tried(failed={handler: _describe(error)}))
        if state is None:
            return False
        self._tell_of_failure(handler, error)
        if state is State.DEAD and not self.is_replay:
            bury(self.app, self.ledger, self.event)
        return True

    def _run(self, handler: Handler) -> BaseException | None:
        """Call it; whatever it raises, except to exit the process, is its own failure."""
        self.begin(handler.name)
        try:
            with handling(self.app, self.ledger, self.claim):
                call(self.app, handler.function, event=self.event)
        except failures() as error:
            return error
        return None

    def _record(self, handler: str, *, is_last: bool) -> BaseException | None:
        """Record a success; if the handler's writes cannot be committed, it has failed."""
        try:
            if is_last:
                self._finish(handler)
            else:
                self.claim.succeeded(handler)
        except TransactionFailed as error:
            return error
        return None

    def _finish(self, succeeded: str) -> None:
        """End the attempt with the success of the last handler, or change nothing."""
        self.tried.succeeded = succeeded
        try:
            self.state = self.claim.finish(self.tried)
        finally:
            if self.state is None:
                self.tried.succeeded = None

    def _note(self, handler: str, error: BaseException) -> None:
        """Note why a handler has not succeeded."""
        tried, event, said = self.tried, self.event, _describe(error)
        if isinstance(error, RetryLater):
            tried.retry_after = max(error.seconds, tried.retry_after or 0)
            tried.postponed[handler] = said
            times = self.recorded.postponed
            logger.info(
                "Handler %s asks to be called again in %g seconds for %s of message %s, postponed "
                "%s before: %s",
                handler,
                error.seconds,
                event.status,
                event.message_id,
                "once" if times == 1 else f"{times} times",
                said,
                extra=log_fields(handler=handler),
            )
        elif isinstance(error, GiveUp):
            tried.gave_up[handler] = said
            logger.error(
                "Handler %s gave up on %s of message %s: %s",
                handler,
                event.status,
                event.message_id,
                said,
                extra=log_fields(handler=handler),
            )
        else:
            tried.failed[handler] = said
            logger.error(
                "Handler %s failed on %s of message %s.",
                handler,
                event.status,
                event.message_id,
                exc_info=error,
                extra=log_fields(handler=handler),
            )
            self._tell_of_failure(handler, error)

    def _tell_of_failure(self, handler: str, error: BaseException) -> None:
        with handling(self.app, self.ledger):
            notify(handler_failed, self.app, event=self.event, handler=handler, exception=error)

    def _give_back(self) -> None:
        """Release the claim on exit: the message would stay claimed until its lease expires."""
        try:
            self.claim.undo()
            self.end()
        except Exception:
            logger.exception("The claim could not be released; its lease will expire.")


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}"[:MAX_ERROR_LENGTH]
