"""The way of an event, from a body to what the request is answered; no HTTP in here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from threading import Lock
from typing import Any

from flask import Flask
from marshmallow import Schema, ValidationError

from ..events import Status, StatusEvent
from ..exceptions import ClaimLost, LedgerUnavailable
from ..failure_reasons import Failure, classify
from ..handling.dispatch import Dispatched, bury, dispatch, dispatch_one
from ..handling.watchdog import Run
from ..ledger import Claim, Entry, Ledger, Policy, Recorded, State, Tried
from ..ledger.context import handling
from ..log_fields import about, get_logger, log_fields
from ..settings import Settings
from ..throttle import Once
from .auth import Authenticator
from .ingest import Delivery, Intake, Loader
from .notes import Notes
from .outage import Outage
from .rejections import Rejections
from .responses import (
    ACCEPTED,
    BUSY,
    POSTPONED,
    RETRY_UNAVAILABLE,
    UNAVAILABLE,
    UNFINISHED,
    Outcome,
    Result,
)

logger = get_logger(__name__)

WAIT_SECONDS = 2.0


class Receiver:
    """One registered blueprint on one application.

    :param app: the application whose handlers are called.
    :param name: the name the blueprint is registered with, as in ``app.blueprints``.
    :param prefix: what its keys in ``app.config`` begin with.
    :param url: the path that Freshdesk posts to.
    :param subdomain: the subdomain it is at, if the application has several.
    :param settings: what its keys say.
    :param schema: loads its events.
    :param make_ledger: makes the ledger, in an application context, when it is first used.
    :param hand_over: takes the id of a recorded event to where its handlers will be called; it
        may do nothing, but not raise.
    """

    wait_seconds = WAIT_SECONDS

    def __init__(
        self,
        app: Flask,
        name: str,
        prefix: str,
        url: str,
        subdomain: str | None,
        settings: Settings,
        schema: Schema,
        make_ledger: Callable[[], Ledger],
        hand_over: Callable[[Any], None] | None = None,
    ) -> None:
        self.app = app
        self.name = name
        self.prefix = prefix
        self.url = url
        self.subdomain = subdomain
        self.settings = settings
        self._loader = Loader(schema)
        notes = Notes(name, lambda: self.ledger)
        self._rejections = Rejections(app, name, notes)
        self._outage = Outage(name)
        self._intake = Intake(
            name, prefix, settings, self._loader, lambda: self.ledger, self._rejections
        )
        self.authenticator = Authenticator(settings.headers, notes.token_use)
        self._policy = Policy(
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
            give_up_after=settings.give_up_after,
            handler_seconds=settings.handler_seconds,
        )
        self._make_ledger = make_ledger
        self._hand_over = hand_over
        self._unheard = Once()
        self._ledger: Ledger | None = None
        self._lock = Lock()

    @property
    def ledger(self) -> Ledger:
        """The ledger, made when it is first asked for."""
        if self._ledger is None:
            with self._lock:
                if self._ledger is None:
                    self._ledger = self._make_ledger()
        return self._ledger

    def queue_problem(self) -> str | None:
        """Why recorded events cannot be handed over, ``None`` if they can or need not be."""
        problem = getattr(self._hand_over, "problem", None)
        return problem() if problem else None

    def receive(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        encoding: str = "",
        is_replay: bool = False,
    ) -> Outcome:
        """Take in an authenticated body.

        :param headers: the values of the data headers that came with it.
        :param encoding: its ``Content-Encoding``, which is undone here.
        :param is_replay: it did not come just now, but is taken out of the quarantine.
        """
        try:
            outcome = self._receive(Delivery(body, headers, is_replay, encoding))
        except LedgerUnavailable as error:
            self._outage.refuse(error)
            return UNAVAILABLE
        except Exception as error:
            # Handlers' and schemas' errors are dealt with where they are called: what comes
            # here is the ledger's, and an event that may not be recorded is never acknowledged.
            self._outage.refuse(error, with_traceback=True)
            return UNAVAILABLE
        if self._outage.is_on and outcome.result not in _WITHOUT_LEDGER:
            self._outage.end()
        return outcome

    def reject(
        self, result: Result, detail: str, cause: str = "", *, has_no_header: bool = False
    ) -> Outcome:
        """Tell of a request refused before its body was looked at, or whose body could not be.

        :param detail: what the sender is told was wrong.
        :param cause: what is told here, if it is more: never the value of a header.
        :param has_no_header: it carried none of the configured headers.
        """
        is_temporary = result.status is HTTPStatus.SERVICE_UNAVAILABLE
        outcome = Outcome(result, detail, retry_after=RETRY_UNAVAILABLE if is_temporary else None)
        self._rejections.tell(result, outcome, cause or detail, has_no_header=has_no_header)
        return outcome

    def _receive(self, delivery: Delivery) -> Outcome:
        taken = self._intake.take(delivery)
        if isinstance(taken, Outcome):
            return taken
        event, text = taken
        with about(self.name, event):
            try:
                return self.accept(event, text, delivery.headers)
            except ClaimLost as error:
                return self._late(error)

    def accept(self, event: StatusEvent, body: str, headers: Mapping[str, str]) -> Outcome:
        """Record an event and, where dispatch is inline, call its handlers."""
        campaign_of, reference = self.settings.campaign, event.external_reference_id
        entry = Entry(
            receiver=self.name,
            event=event,
            body=body,
            headers=headers,
            campaign=campaign_of(reference) if campaign_of and reference else None,
        )
        is_inline = self.settings.dispatch == "inline"
        recorded = self.ledger.record(entry, self._policy, claim=is_inline)
        if recorded.state is State.PENDING and recorded.claim is None:
            if not is_inline:
                if self._hand_over is not None:
                    self._hand_over(recorded.id)
                return ACCEPTED
            waited = self.ledger.claim(recorded.id, self._policy, wait=self.wait_seconds)
            if waited is None:
                return Outcome(Result.DUPLICATE)  # handled, and dropped, in the meantime
            recorded = waited
        return self.handle(event, recorded)

    def handle(self, event: StatusEvent, recorded: Recorded) -> Outcome:
        """Call the handlers that *event* still has to reach, under the claim it came with."""
        if recorded.claim is None:
            if recorded.has_died:
                with handling(self.app, self.ledger, None), self._about(event, recorded):
                    bury(self.app, self._enriched(event, recorded))
            return _SETTLED[recorded.state]
        event = self._enriched(event, recorded)
        with self._about(event, recorded):
            run = self._run(event, recorded, recorded.claim)
            tried = dispatch(self.app, self.ledger, recorded, run, self._unheard)
        return _after(tried)

    def resume(self, event_id: Any, *, wait: float = 0) -> Outcome | None:
        """Go on with a recorded event; ``None`` if there is no such event (any more).

        :param wait: how many seconds to wait for another that is handling its message.
        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        recorded = self.ledger.claim(event_id, self._policy, wait=wait)
        if recorded is None:
            return None
        try:
            event = self._reloaded(recorded)
            return self._give_up(recorded) if event is None else self.handle(event, recorded)
        except ClaimLost as error:
            return self._late(error, event_id)

    def _reloaded(self, recorded: Recorded) -> StatusEvent | None:
        """The recorded event; ``None`` if the schema, which must have changed, does not take it."""
        try:
            return self._loader.load(json.loads(recorded.body))
        except ValidationError:
            logger.error(
                "The schema does not take the recorded event %s any more.",
                recorded.id,
                extra=self._fields(recorded.id, recorded.attempt),
            )
            return None

    def _give_up(self, recorded: Recorded) -> Outcome:
        state, has_died = recorded.state, recorded.has_died
        if recorded.claim is not None:
            tried = Tried(failed={"schema": "does not take the event any more"})
            state = recorded.claim.finish(tried)
            has_died = state is State.DEAD
        if has_died:
            logger.error(
                "Event %s is dead by that, and event_dead cannot be sent with it: mend the schema, "
                "then `flask fd-whatsapp retry --dead`.",
                recorded.id,
                extra=self._fields(recorded.id, recorded.attempt),
            )
        return _SETTLED[state]

    def replay(self, event_id: Any, handler_name: str) -> bool | None:
        """Call one handler with an event that is settled.

        :return: whether it succeeded; ``None`` if it was not called, since it has succeeded
            before, or the event has no such handler, or is pending or being handled.
        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        recorded = self.ledger.claim(event_id, self._policy, wait=self.wait_seconds, settled=True)
        if recorded is None or recorded.claim is None:
            return None
        try:
            event = self._reloaded(recorded)
            if event is None:
                recorded.claim.finish(Tried())
                return False
            event = self._enriched(event, recorded)
            with self._about(event, recorded):
                run = self._run(event, recorded, recorded.claim)
                return dispatch_one(self.app, self.ledger, recorded, run, handler_name)
        except ClaimLost as error:
            self._late(error, event_id)
            return False

    def _enriched(self, event: StatusEvent, recorded: Recorded) -> StatusEvent:
        """The event as handlers get it, with what the ledger knows of its message."""
        error, classes = event.error, self.settings.failure_classes
        if error is None and event.status == Status.FAILED:
            error = recorded.error  # which may have come with another copy
        known: dict[str, Any] = {
            "error": error,
            "external_reference_id": event.external_reference_id or recorded.external_reference_id,
            "headers": recorded.headers,
            "campaign": recorded.campaign,
            "previous_status": recorded.previous_status,
            "is_stale": recorded.is_stale,
            "failure": Failure(classify(error.code, classes)) if error else None,
        }
        if type(event) is not StatusEvent:  # a subclass may make more of them
            return replace(event, **known)
        # Nobody else has it yet: to copy it costs as much as to load it.
        for name, value in known.items():
            if getattr(event, name) is not value:
                object.__setattr__(event, name, value)
        return event

    def _run(self, event: StatusEvent, recorded: Recorded, claim: Claim) -> Run:
        return Run(
            claim,
            self._policy,
            ledger=self.ledger,
            receiver=self.name,
            event=event,
            event_id=recorded.id,
            attempt=recorded.attempt,
            is_replay=recorded.state is not State.PENDING,
        )

    def _late(self, error: ClaimLost, event_id: Any = None) -> Outcome:
        logger.warning("%s", error, extra=self._fields(event_id))
        return BUSY

    def _about(self, event: StatusEvent, recorded: Recorded) -> about:
        """What is logged while *event* is handled is about it."""
        return about(self.name, event, recorded.id, recorded.attempt)

    def _fields(self, event_id: Any, attempt: int | None = None) -> dict[str, Any]:
        return log_fields(receiver=self.name, event_id=event_id, attempt=attempt)


def _after(tried: Dispatched) -> Outcome:
    """What the try's request is answered."""
    if tried.state is State.DONE:
        return ACCEPTED
    if tried.retry_after is None:
        # No handler is left to call: Freshdesk need not send it again.
        return UNFINISHED if tried.has_failed else Outcome(Result.DEAD)
    unfinished = UNFINISHED if tried.has_failed else POSTPONED
    return unfinished._replace(retry_after=max(1, math.ceil(tried.retry_after)))


_WITHOUT_LEDGER = {Result.IGNORED, Result.TOO_LARGE}
"""What may become of a body before the ledger is asked, which says nothing of the ledger."""

_SETTLED = {
    State.PENDING: BUSY,
    State.DONE: Outcome(Result.DUPLICATE),
    State.DEAD: Outcome(Result.DEAD),
}
