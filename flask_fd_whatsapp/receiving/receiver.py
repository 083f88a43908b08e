"""The way of an event, from a body to the request's result; without any HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from threading import Lock
from urllib.parse import quote

from flask import Flask
from marshmallow import Schema, ValidationError

from ..accounts import Account
from ..events import API, StatusEvent
from ..exceptions import ClaimLost, LedgerUnavailable
from ..handling.attempt import Attempt
from ..handling.dispatch import dispatch
from ..handling.enriched import enriched
from ..handling.notices import bury
from ..handling.observing import Observer
from ..ledger import Entry, Ledger, Policy, Recorded, State
from ..ledger.records import name_of_account
from ..log_fields import about, get_logger, now_about
from ..settings import Settings
from ..throttle import Once
from .account_lookup import AccountLookup
from .auth import Authenticator
from .drift_detection import DriftDetection
from .duplicates import Duplicates
from .hand_over import HandOver
from .ingest import Intake, NotTaken
from .notes import Notes
from .outage import Outage
from .rejections import Rejections
from .responses import (
    ACCEPTED,
    BUSY,
    UNAVAILABLE,
    Outcome,
    Result,
    after_attempt,
    without_attempt,
)

logger = get_logger(__name__)

WAIT_SECONDS = 2.0


class Receiver:
    """One registered blueprint on one application.

    :param app: the application whose handlers are called.
    :param name: the name that the blueprint is registered with, as in ``app.blueprints``.
    :param prefix: the prefix of its keys in ``app.config``.
    :param url: the path that Freshdesk posts to.
    :param subdomain: its subdomain, if the application has several.
    :param settings: the values of its keys.
    :param schema: loads its events.
    :param make_ledger: creates the ledger, in an application context, at first use.
    :param hand_over: hands over the id of a recorded event to where its handlers will be called.
    :param forgets_unasked: whether its ledger is in memory by default, not by choice.
    """

    wait_seconds = WAIT_SECONDS

    account: str | None = None
    """The key of the account whose events it receives, if it is one of many."""

    account_name: str | None = None
    """What people call that account."""

    accounts: AccountLookup[Receiver] | None = None
    """The accounts, if there are many: each has a receiver of its own for its events."""

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
        hand_over: HandOver | None = None,
        forgets_unasked: bool = False,
    ) -> None:
        self.app = app
        self.name = name
        self.prefix = prefix
        self.url = url
        self.subdomain = subdomain
        self.settings = settings
        self.schema = schema
        self._notes = notes = Notes(name, self.open_ledger)
        self.rejections = Rejections(app, name, prefix, settings, notes)
        drift = DriftDetection(name, schema, settings, self.open_ledger)
        self._intake = Intake(schema, settings, prefix, drift)
        self._duplicates = Duplicates(name, lambda: self.ledger)
        self._outage = Outage(name)
        self.authenticator = Authenticator(settings.headers, notes.token_use)
        self.policy = Policy(
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
            give_up_after=settings.give_up_after,
            handler_seconds=settings.handler_seconds,
        )
        self._make_ledger = make_ledger
        self._hand_over = hand_over
        self.forgets_unasked = forgets_unasked
        self._unheard = Once()
        self.observer: Observer | None = None
        self._is_noted = True
        self._ledger: Ledger | None = None
        self._lock = Lock()

    def of_account(self, key: str, account: Account) -> Receiver:
        """Return the receiver for one of many accounts, with the same name and ledger."""
        own = copy(self)
        own.account, own.account_name, own.accounts = key, account.name, None
        own.url = self.url.replace("<account>", quote(key, safe=""))
        own.settings = account.settings(self.settings)
        own.rejections = self.rejections.of_account(key)
        own.authenticator = Authenticator(
            own.settings.headers,
            partial(self._notes.token_use, account=key),
            notes_all=True,
        )
        own._intake = self._intake.of_account(key, own.settings)
        own._is_noted = False
        own._make_ledger, own._lock = self.open_ledger, Lock()
        return own

    def note_account(self) -> None:
        """Record the account, so that commands know it even if it has never had a request."""
        if self.account is not None and not self._is_noted:
            self._is_noted = True
            self._notes.token_use("", 0, account=self.account)

    @property
    def kept_as(self) -> str:
        """The name under which the ledger keeps what is separate for each account."""
        return self.name if self.account is None else name_of_account(self.name, self.account)

    @property
    def headers_place(self) -> str:
        """Where its headers are configured."""
        if self.account is None:
            return f"{self.prefix}_HEADERS"
        return f"the headers of the Account {self.account!r}"

    @property
    def ledger(self) -> Ledger:
        """The ledger, created at first use."""
        return self.open_ledger() if self._ledger is None else self._ledger

    def open_ledger(self) -> Ledger:
        """Create the ledger, unless it exists."""
        with self._lock:
            if self._ledger is None:
                ledger = self._make_ledger()
                ledger.reports.rules.adopt(
                    self.settings.time_zone,
                    self.settings.failure_classes,
                    self.settings.aggregate_years,
                )
                self._ledger = ledger
            return self._ledger

    def queue_problem(self) -> str | None:
        """Return why recorded events cannot be handed over, ``None`` if they can or need not be."""
        return self._hand_over.problem() if self._hand_over is not None else None

    def receive(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        encoding: str = "",
        is_replay: bool = False,
    ) -> Outcome:
        """Process an authenticated body.

        :param headers: the values of the data headers that came with it.
        :param encoding: its ``Content-Encoding``, which is decoded here.
        :param is_replay: whether it is replayed from the quarantine, not just received.
        """
        try:
            try:
                event, text = self._intake.take(body, encoding)
            except NotTaken as reason:
                ledger = self.ledger if reason.result.is_kept else None
                outcome = self.rejections.refuse(reason, headers, ledger, is_replay=is_replay)
            else:
                with about(self.name, event):
                    outcome = self.accept(event, text, headers)
        except LedgerUnavailable as error:
            self._outage.refuse(error)
            return UNAVAILABLE
        except Exception as error:
            # Errors of handlers and schemas are dealt with where they are called: what arrives here
            # is the ledger's, and an event that may not be recorded is never acknowledged.
            self._outage.refuse(error, with_traceback=True)
            return UNAVAILABLE
        if outcome.result is Result.DUPLICATE and not is_replay:
            self._duplicates.count()
        if self._outage.is_on and outcome.result.is_kept:
            self._outage.end()
        return outcome

    def tell(self, body: bytes) -> Outcome:
        """Process what Freshdesk's API reported, in the shape of a webhook and like a webhook.

        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        try:
            event, text = self._intake.take(body, "")
        except NotTaken as reason:
            return self.rejections.refuse(reason, {}, self.ledger)
        self.note_account()
        event = replace(event, source=API)
        with about(self.name, event):
            return self.accept(event, text, {})

    def accept(self, event: StatusEvent, body: str, headers: Mapping[str, str]) -> Outcome:
        """Record an event and, if dispatch is inline, call its handlers."""
        campaign_of, reference = self.settings.campaign, event.external_reference_id
        entry = Entry(
            receiver=self.name,
            event=event,
            body=body,
            headers=headers,
            campaign=campaign_of(reference) if campaign_of and reference else None,
        )
        is_inline = self.settings.dispatch == "inline"
        recorded = self.ledger.record(entry, self.policy, claim=is_inline)
        if recorded.state is State.PENDING and recorded.claim is None:
            if not is_inline:
                if self._hand_over is not None:
                    self._hand_over(recorded.id)
                return ACCEPTED
            waited = self.ledger.claim(recorded.id, self.policy, wait=self.wait_seconds)
            if waited is None:
                return Outcome(Result.DUPLICATE)  # handled, and pruned, in the meantime
            recorded = waited
        if recorded.source != event.source:  # it was recorded before, from another source
            event = self.reloaded(recorded) or event
        return self.handle(event, recorded)

    def handle(self, event: StatusEvent, recorded: Recorded) -> Outcome:
        """Call the remaining handlers of *event*, under the claim it was recorded with."""
        if recorded.claim is None and not recorded.has_died:
            return without_attempt(recorded.state)
        event = enriched(event, recorded, self.settings.failure_classes)
        now_about(self.name, event, recorded.id, recorded.attempt)
        if recorded.claim is None:
            bury(self.app, self.ledger, event)
            return without_attempt(recorded.state)
        attempt = self.attempt(event, recorded)
        try:
            if self.observer is None:
                dispatch(attempt, self._unheard)
            else:
                with self.observer.handling(self.name, event, recorded):
                    dispatch(attempt, self._unheard)
        except ClaimLost as error:
            return claim_lost(error)
        return after_attempt(attempt)

    def attempt(self, event: StatusEvent, recorded: Recorded) -> Attempt:
        """An attempt at a recorded event, under the claim it was recorded with."""
        return Attempt(
            self.app, self.ledger, self.policy, self.name, recorded, event, self.observer
        )

    def reloaded(self, recorded: Recorded) -> StatusEvent | None:
        """Load the recorded event; return ``None`` if the schema, now changed, rejects it."""
        try:
            return self._intake.load(json.loads(recorded.body))
        except ValidationError:
            logger.error("The schema no longer accepts the recorded event %s.", recorded.id)
            return None


def claim_lost(error: ClaimLost) -> Outcome:
    """Log that a claim was lost, and return the outcome: the event is no longer this worker's."""
    logger.warning("%s", error)
    return BUSY
