"""Asks Freshdesk about messages whose webhooks are missing, and processes the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from ..exceptions import LedgerUnavailable
from ..ledger.asking import AskCursor, Asked, AskFilter, is_due, unheard_of
from ..ledger.send_records import Expected
from ..log_fields import get_logger, log_fields
from ..receiving.receiver import Receiver
from .account_match import account_problem
from .api_errors import FreshdeskAPIError, MessageNotFound, NotAllowed, RateLimited
from .client_lookup import client_of, receiver_to_ask
from .outbound_message import OutboundMessage
from .reconciliation import Answered, Reconciliation, Told, told_by
from .stoppable_wait import AskedToStop, stoppable
from .told_event import told_event

logger = get_logger(__name__)

PAGE: Final = 100
"""How many messages are read from the ledger at a time."""

UNREADABLE_LIMIT: Final = 5
"""After so many unusable answers in a row a run ends."""

STUCK_FOR: Final = timedelta(hours=1)

WAIT_SECONDS: Final = 150.0
"""How long to wait for the rate limit: longer than any pause that a 429 demands."""

_ASKED_TO_STOP: Final = "it was asked to stop"


class Reconciler:
    """One run over a receiver's messages.

    :param ids: ask about these messages instead, whatever the ledger knows about them.
    :param limit: the maximum number of messages to ask about.
    :param should_stop: returns whether to stop before the next call; also asked during waits.
    :param result: the result of earlier runs, to be continued.
    :ivar has_given_up: whether the run ended because Freshdesk could not be asked.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        stuck_for: timedelta = STUCK_FOR,
        is_recheck: bool = False,
        since: datetime | None = None,
        until: datetime | None = None,
        ids: Iterable[str] | None = None,
        is_dry_run: bool = False,
        limit: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        result: Reconciliation | None = None,
    ) -> None:
        self._receiver = receiver
        self._client = client_of(receiver)
        self._api = self._client.asking.with_sleep(stoppable(should_stop))
        self._asking = receiver.ledger.asking
        self._wanted = AskFilter(
            account_id=self._client.account_id,
            stuck_for=stuck_for,
            is_recheck=is_recheck or ids is not None,
            since=since,
            until=until,
        )
        self._ids = ids
        self._is_dry_run = is_dry_run
        self._limit = limit
        self._should_stop = should_stop
        self._is_answered = False
        self._found = 0
        self._missing: list[Asked] = []
        self._unreadable = 0
        self._failure: FreshdeskAPIError | None = None
        self.has_given_up = False
        self.result = result or Reconciliation()

    def run(self) -> Iterator[Answered]:
        """Ask about one message after the other; :attr:`result` holds the totals.

        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        result = self.result
        result.stopped = result.problem = None
        yield from self._run()
        if result.problem is None and self._failure is not None and not self._is_answered:
            self._note_problem(f"No message that was asked about got an answer. {self._failure}")
        if self._ids is None and not self._is_dry_run:
            self._asking.note(
                self._receiver.kept_as,
                asked=result.asked,
                changed=result.counts[Told.CHANGED],
                stopped=result.problem or result.stopped,
                is_good=result.problem is None,
            )

    def _run(self) -> Iterator[Answered]:
        problem = account_problem(self._receiver)
        if problem is not None:
            self._cannot_ask(problem)
            return
        if not self._is_dry_run:
            self.result.settled += self._receiver.ledger.send_record.settle()
        for asked in self._turns():
            if self._is_over():
                return
            answered = self._ask(asked)
            if answered is not None:
                self._count(answered.told)
                yield answered

    def _count(self, told: Told) -> None:
        self.result.counts[told] += 1
        observer = self._receiver.observer
        if observer is not None and told is not Told.WOULD_ASK:
            observer.reconciled(self._receiver.name, told.value)

    def _is_over(self) -> bool:
        result = self.result
        if result.stopped is None:
            if self._should_stop():
                result.stopped = _ASKED_TO_STOP
            elif self._limit is not None and sum(result.counts.values()) >= self._limit:
                result.stopped = f"the limit of {self._limit} is reached"
        return result.stopped is not None

    def _turns(self) -> Iterator[Asked]:
        if self._ids is not None:
            yield from self._listed(self._ids)
            return
        after: AskCursor | None = None
        while page := self._asking.due(self._wanted, limit=PAGE, after=after):
            yield from page
            after = AskCursor(page[-1].first_seen, page[-1].key)

    def _listed(self, ids: Iterable[str]) -> Iterator[Asked]:
        account_id = self._wanted.account_id
        for message_id in ids:
            now = datetime.now(UTC)
            asked = self._asking.find(account_id, message_id) or unheard_of(
                account_id, message_id, now
            )
            if is_due(asked, self._wanted, now):
                yield asked

    def _ask(self, asked: Asked) -> Answered | None:
        """Ask about a message; return ``None`` if another process does, or if it has to wait."""
        if self._is_dry_run:
            return Answered(asked.message_id, Told.WOULD_ASK)
        if asked.key is None:
            expected = Expected(account_id=asked.account_id, message_id=asked.message_id)
            self._receiver.ledger.send_record.expect(expected)
            asked = self._asking.find(asked.account_id, asked.message_id) or asked
        claimed = self._asking.claim(asked)
        if claimed is None:
            return None
        try:
            answer = self._retrieve(asked.message_id)
        except AskedToStop:
            self._asking.put_back(claimed, asked)
            self._stop(_ASKED_TO_STOP)
            return None
        if isinstance(answer, OutboundMessage):
            return self._take_in(answer, claimed, asked)
        if isinstance(answer, MessageNotFound):
            self._unreadable = 0
            self._is_answered = True
            self._missing.append(claimed)
            if self._found:
                self._count_missing()
            return Answered(asked.message_id, Told.NOT_FOUND)
        self._asking.put_back(claimed, asked)
        self._failure = answer
        if isinstance(answer, NotAllowed):
            self._cannot_ask(str(answer))
        elif isinstance(answer, RateLimited):
            self._stop(str(answer))
        else:
            self._note_unreadable(answer)
        return Answered(asked.message_id, Told.NO_ANSWER)

    def _retrieve(self, message_id: str) -> OutboundMessage | FreshdeskAPIError:
        try:
            return self._api.retrieve(message_id, wait=WAIT_SECONDS)
        except FreshdeskAPIError as error:
            return error

    def _take_in(self, told: OutboundMessage, claimed: Asked, asked: Asked) -> Answered | None:
        self._unreadable = 0
        self._is_answered = True
        self._found += 1
        if asked.not_found:
            self._asking.found(claimed, is_there=True)
        self._count_missing()
        event = told_event(told, self._wanted.account_id, datetime.now(UTC))
        try:
            outcome = self._receiver.tell(event)
        except LedgerUnavailable:
            with suppress(LedgerUnavailable):  # if this fails as well, it is due at its next step
                self._asking.put_back(claimed, asked)
            raise
        allowance = self._api.allowance
        if allowance is not None and allowance.is_low:
            self._stop(
                f"{allowance.remaining} of the account's {allowance.total} calls a minute are left"
            )
        return Answered(asked.message_id, told_by(outcome.result), str(told.status))

    def _count_missing(self) -> None:
        """Count the messages that were not found, now that one was: the domain is right."""
        while self._missing:
            self._asking.found(self._missing.pop(), is_there=False)

    def _note_unreadable(self, problem: FreshdeskAPIError) -> None:
        self._unreadable += 1
        if self._unreadable >= UNREADABLE_LIMIT:
            self._cannot_ask(f"{UNREADABLE_LIMIT} answers in a row could not be used. {problem}")

    def _cannot_ask(self, problem: str) -> None:
        self.has_given_up = True
        self.result.stopped = problem
        self._note_problem(problem)

    def _note_problem(self, problem: str) -> None:
        self.result.problem = problem
        logger.error(
            "Freshdesk cannot be asked about messages: %s",
            problem,
            extra=log_fields(receiver=self._receiver.name),
        )

    def _stop(self, reason: str) -> None:
        self.result.stopped = reason


def reconcile(
    receiver: str | None = None,
    *,
    stuck_for: timedelta = STUCK_FOR,
    recheck: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    ids: Iterable[str] | None = None,
    dry_run: bool = False,
    limit: int | None = None,
) -> Reconciliation:
    """Ask Freshdesk about messages whose webhooks are missing, in one run; handlers are called.

    :param receiver: a receiver's name or an account's key, as for :func:`client_for`; optional if
        only one receiver has an API key.
    :param stuck_for: ask about messages without a status, QUEUED or SENT, that have had no event
        for this long.
    :param recheck: also ask about DELIVERED and FAILED messages, however recent their last event:
        after an outage.
    :param since: only messages first seen at or after this (aware datetime).
    :param until: only messages first seen before this (aware datetime).
    :param ids: ask about the messages with these ids instead.
    :param dry_run: ask about nothing, only count the messages that would be asked about.
    :param limit: the maximum number of messages to ask about.
    :return: the result of the run; its ``problem`` says why Freshdesk could not be asked.
    :raises NoSuchReceiver: if there is no such receiver, or it is ambiguous.
    :raises AccountsUnavailable: if ``accounts`` raised for the key.
    :raises ConfigurationError: if the receiver has no API key.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    reconciler = Reconciler(
        receiver_to_ask(receiver),
        stuck_for=stuck_for,
        is_recheck=recheck,
        since=since,
        until=until,
        ids=ids,
        is_dry_run=dry_run,
        limit=limit,
    )
    for _ in reconciler.run():
        pass
    return reconciler.result
