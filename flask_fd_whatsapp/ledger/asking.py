"""Which messages to ask Freshdesk about: when, how often, and in what order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from ..engagement.definitions import bit_of
from ..events import WEBHOOK, Status, StatusEvent
from .records import receiver_and_key

STEPS: Final = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
"""The delays between one request about a message and the next; the last one repeats."""

GIVEN_UP_AFTER: Final = timedelta(days=30)
"""How long messages are asked about, from when they were first seen."""

NOT_FOUND_LIMIT: Final = 3
"""How often a message may be missing before it is no longer asked about."""


ESTIMATED_BITS: Final[Mapping[str, int]] = {status: bit_of(status) for status in Status}
"""The bit of each status for which the time is that of asking, not WhatsApp's."""

UNSURE_BIT: Final = 1 << 14
"""Set in a message's row in addition if the time that counts as its sending is also estimated.

It is higher than the others, so that a comparison tells whether it is set.
"""


def estimated_bit(event: StatusEvent) -> int:
    """Return the bit of an event's status if its time is that of asking, else 0.

    Only for QUEUED does the API report the time.
    """
    if event.source == WEBHOOK:
        return 0
    is_told = event.status == Status.QUEUED and event.timestamp != event.event_time
    return 0 if is_told else ESTIMATED_BITS.get(event.status, 0)


def step_after(asks: int) -> timedelta:
    """Return how long to wait after this many requests about a message."""
    return STEPS[min(max(asks, 1), len(STEPS)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFilter:
    """Which messages of an account to ask about.

    :param stuck_for: those without a status, QUEUED or SENT, that have had no event for this long.
    :param is_recheck: also DELIVERED and FAILED ones, however recent their last event, unless they
        were asked about within the shortest delay.
    :param since: first seen at or after this (aware datetime).
    :param until: first seen before this (aware datetime).
    """

    account_id: str
    stuck_for: timedelta = timedelta(hours=1)
    is_recheck: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses of the messages to ask about, besides those without a status."""
        stuck = (Status.QUEUED, Status.SENT)
        return (*stuck, Status.DELIVERED, Status.FAILED) if self.is_recheck else stuck


class Asked(NamedTuple):
    """A message to ask about, in the state in which it was read.

    :param key: the ledger's own id of it, ``None`` if the ledger does not have it.
    :param ask_at: when it is due again (UTC), ``None`` if it has never been asked about.
    :param asks: how often it has been asked about.
    :param not_found: how often Freshdesk did not find it.
    """

    key: Any
    account_id: str
    message_id: str
    status: str | None
    ask_at: datetime | None
    asks: int
    not_found: int
    first_seen: datetime


def unheard_of(account_id: str, message_id: str, now: datetime) -> Asked:
    """Return a message that the ledger does not have, without a key."""
    return Asked(None, account_id, message_id, None, None, 0, 0, now)


class AskCursor(NamedTuple):
    """The position at which a page of messages to ask about ended."""

    first_seen: datetime
    key: Any


def is_due(one: Asked, wanted: AskFilter, now: datetime) -> bool:
    """Whether a message is due; SQL ledgers express the same as a query."""
    if one.ask_at is None:
        return True
    early = step_after(one.asks) - STEPS[0] if wanted.is_recheck else timedelta()
    return one.ask_at <= now + early


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The last run of ``reconcile`` over the messages of a receiver, or of one of its accounts.

    :param receiver: the receiver's name; where it has accounts, with the account's key.
    :param asked: how many messages it asked about.
    :param changed: how many of them turned out to have a new status.
    :param stopped: why it ended early, or could not ask; ``None`` if it completed.
    :param ended_at: when it ended (UTC).
    :param good_at: when a run that could ask last ended (UTC), possibly an earlier one; ``None`` if
        there was none.
    """

    receiver: str
    asked: int
    changed: int
    stopped: str | None
    ended_at: datetime
    good_at: datetime | None

    @property
    def is_good(self) -> bool:
        """Whether this run could ask."""
        return self.ended_at == self.good_at


def outdated_runs(
    runs: Mapping[str, datetime], before: datetime, receivers: Collection[str] | None
) -> set[str]:
    """Return which last runs to delete, of those that ended before *before*.

    Those of accounts, which must be gone; and a receiver's own, if it has had accounts since.

    :param runs: when each ended, by the name of its receiver or account.
    :param receivers: only those of these receivers and their accounts, ``None`` for all.
    """
    of_accounts: dict[str, datetime] = {}
    for name, ended_at in runs.items():
        receiver, key = receiver_and_key(name)
        if key:
            of_accounts[receiver] = max(ended_at, of_accounts.get(receiver, ended_at))
    found = set()
    for name, ended_at in runs.items():
        receiver, key = receiver_and_key(name)
        is_over = bool(key) or ended_at < of_accounts.get(receiver, ended_at)
        if is_over and ended_at < before and receiver in (receivers or (receiver,)):
            found.add(name)
    return found


def by_need(run: Reconciled) -> tuple[bool, datetime]:
    """Sort key for runs: those that have never succeeded first, then the longest ago."""
    return run.good_at is not None, run.good_at or run.ended_at
