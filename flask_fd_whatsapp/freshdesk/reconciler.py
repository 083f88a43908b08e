"""Asks Freshdesk for the messages that nothing has been heard of, and takes in what it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from flask import current_app

from ..exceptions import LedgerUnavailable, NoSuchReceiver
from ..ledger.asking import AskCursor, Asked, AskFilter, Reconciled, is_due
from ..ledger.context import EXTENSION
from ..ledger.send_records import Expected
from ..log_fields import get_logger, log_fields
from ..receiving.receiver import Receiver
from ..receiving.responses import Result
from .account_match import account_problem
from .api_errors import (
    FreshdeskAPIError,
    MessageNotFound,
    NotAllowed,
    RateLimited,
)
from .outbound_message import OutboundMessage
from .recording_client import client_of
from .told_event import told_event

logger = get_logger(__name__)

PAGE: Final = 100
UNREADABLE_LIMIT: Final = 5
STUCK_FOR: Final = timedelta(hours=1)


class Told(StrEnum):
    """What came of asking for a message."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    NO_ANSWER = "no_answer"
    WOULD_ASK = "would_ask"


class Answered(NamedTuple):
    """A message that was asked for.

    :param status: what Freshdesk says; ``None`` if it does not.
    """

    message_id: str
    told: Told
    status: str | None = None


@dataclass(slots=True)
class Reconciliation:
    """What a run has done.

    :param counts: how many messages, by what came of asking.
    :param settled: how many unknown sends turned out to have been sent.
    :param stopped: why it ended before it was through, ``None`` if it did not.
    :param problem: why it could not ask, ``None`` if it could.
    """

    counts: dict[Told, int] = field(default_factory=lambda: dict.fromkeys(Told, 0))
    settled: int = 0
    stopped: str | None = None
    problem: str | None = None

    @property
    def asked(self) -> int:
        """How many messages were asked for."""
        return sum(self.counts.values()) - self.counts[Told.WOULD_ASK]


class Reconciler:
    """A run over one receiver's messages.

    :param wanted: which messages; ``account_id`` is the receiver's.
    :param ids: ask for these instead, whatever the ledger knows of them.
    :param limit: ask for so many at most.
    :param should_stop: whether to end before the next message.
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
    ) -> None:
        self._receiver = receiver
        self._client = client_of(receiver)
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
        self._found = 0
        self._missing: list[Asked] = []
        self._unreadable = 0
        self.result = Reconciliation()

    def run(self) -> Iterator[Answered]:
        """Ask for one message after the other; :attr:`result` has the sum.

        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        yield from self._run()
        if self._ids is None and not self._is_dry_run:
            self._asking.note(
                Reconciled(
                    receiver=self._receiver.name,
                    asked=self.result.asked,
                    changed=self.result.counts[Told.CHANGED],
                    stopped=self.result.stopped,
                )
            )

    def _run(self) -> Iterator[Answered]:
        problem = account_problem(self._receiver)
        if problem is not None:
            self._cannot_ask(problem)
            return
        if not self._is_dry_run:
            self.result.settled = self._receiver.ledger.send_record.settle()
        for asked in self._turns():
            if self._is_over():
                return
            answered = self._ask(asked)
            if answered is not None:
                self.result.counts[answered.told] += 1
                if self._receiver.observer is not None:
                    self._receiver.observer.reconciled(self._receiver.name, answered.told.value)
                yield answered

    def _is_over(self) -> bool:
        result = self.result
        done = sum(result.counts.values())
        if result.stopped is None and self._should_stop():
            result.stopped = "it was asked to stop"
        return result.stopped is not None or (self._limit is not None and done >= self._limit)

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
            asked = self._asking.find(account_id, message_id)
            if asked is None and not self._is_dry_run:
                expected = Expected(account_id=account_id, message_id=message_id)
                self._receiver.ledger.send_record.expect(expected)
                asked = self._asking.find(account_id, message_id)
            if asked is None:
                self.result.counts[Told.WOULD_ASK] += 1
            elif is_due(asked, self._wanted, datetime.now(UTC)):
                yield asked

    def _ask(self, asked: Asked) -> Answered | None:
        """Ask for a message; ``None`` if another process does, or it has to be put off."""
        if self._is_dry_run:
            return Answered(asked.message_id, Told.WOULD_ASK)
        claimed = self._asking.claim(asked)
        if claimed is None:
            return None
        answer = self._retrieve(asked.message_id)
        if isinstance(answer, OutboundMessage):
            return self._take_in(answer, claimed, asked)
        if isinstance(answer, MessageNotFound):
            self._unreadable = 0
            self._missing.append(claimed)
            if self._found:
                self._count_missing()
            return Answered(asked.message_id, Told.NOT_FOUND)
        self._asking.put_back(claimed, asked)
        if isinstance(answer, NotAllowed):
            self._cannot_ask(str(answer))
        elif isinstance(answer, RateLimited):
            self._stop(str(answer))
        else:
            self._note_unreadable(answer)
        return Answered(asked.message_id, Told.NO_ANSWER)

    def _retrieve(self, message_id: str) -> OutboundMessage | FreshdeskAPIError:
        try:
            return self._client.asking.retrieve(message_id, wait=WAIT_SECONDS)
        except FreshdeskAPIError as error:
            return error

    def _take_in(self, told: OutboundMessage, claimed: Asked, asked: Asked) -> Answered | None:
        self._unreadable = 0
        self._found += 1
        if asked.not_found:
            self._asking.found(claimed, is_there=True)
        self._count_missing()
        event = told_event(told, self._wanted.account_id, datetime.now(UTC))
        try:
            outcome = self._receiver.tell(event)
        except LedgerUnavailable:
            with suppress(LedgerUnavailable):  # then it is asked for at its next step
                self._asking.put_back(claimed, asked)
            raise
        allowance = self._client.asking.allowance
        if allowance is not None and allowance.is_low:
            self._stop(
                f"of the account's {allowance.total} calls a minute {allowance.remaining} are left"
            )
        is_old = outcome.result in (Result.DUPLICATE, Result.DEAD)
        what = Told.UNCHANGED if is_old else Told.CHANGED
        return Answered(asked.message_id, what, str(told.status))

    def _count_missing(self) -> None:
        """Freshdesk is asked in the right place: what it does not know, it does not know."""
        while self._missing:
            self._asking.found(self._missing.pop(), is_there=False)

    def _note_unreadable(self, problem: FreshdeskAPIError) -> None:
        self._unreadable += 1
        if self._unreadable >= UNREADABLE_LIMIT:
            self._cannot_ask(f"{UNREADABLE_LIMIT} answers in a row could not be used. {problem}")

    def _cannot_ask(self, problem: str) -> None:
        self.result.problem = self.result.stopped = problem
        logger.error(
            "Freshdesk cannot be asked what became of messages: %s",
            problem,
            extra=log_fields(receiver=self._receiver.name),
        )

    def _stop(self, reason: str) -> None:
        self.result.stopped = reason


WAIT_SECONDS: Final = 150.0
"""How long to wait for a turn: longer than any pause that a 429 asks for."""


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
    """Ask Freshdesk for what the webhook has not told, and take it in; once through.

    :param receiver: the receiver's name, where several have an API key.
    :param stuck_for: of messages without a status, QUEUED or SENT: not heard of for so long.
    :param recheck: of DELIVERED and FAILED ones, too, whatever was heard: after an outage.
    :param since: only messages first heard of at or after this (aware datetime).
    :param until: only messages first heard of before this.
    :param ids: ask for the messages of these ids instead.
    :param dry_run: ask for nothing, and count what would be.
    :param limit: ask for so many at most.
    :raises ConfigurationError: if the receiver has no API key.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    reconciler = Reconciler(
        _chosen(receiver),
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


def _chosen(name: str | None) -> Receiver:
    receivers: Mapping[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    having = {
        each.name: each for each in receivers.values() if each.settings.api_key is not None
    } or receivers
    chosen = receivers.get(name) if name is not None else None
    if name is None and len(having) == 1:
        (chosen,) = having.values()
    if chosen is None:
        raise NoSuchReceiver(
            f"reconcile(): name one of the receivers {', '.join(receivers)}."
            if receivers
            else "reconcile(): no FreshdeskWhatsApp blueprint is registered on this application."
        )
    return chosen
