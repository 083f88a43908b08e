"""Which messages are to be asked for: when, how often, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from ..engagement.definitions import bit_of
from ..events import WEBHOOK, Status, StatusEvent

STEPS: Final = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
"""How long after each time a message is asked for again; the last one goes on."""

GIVEN_UP_AFTER: Final = timedelta(days=30)
"""How long a message is asked for, from when it was first heard of."""

NOT_FOUND_LIMIT: Final = 3
"""How often a message may not be found before it is asked for no more."""


ESTIMATED_BITS: Final[Mapping[str, int]] = {status: bit_of(status) for status in Status}
"""What stands for a status whose time is not WhatsApp's, but that of asking."""

UNSURE_BIT: Final = 1 << 14
"""Beside those in a message's row: so is the time by which it counts as sent, as all it has are.

Higher than any of them, so that a row with it is told by its size.
"""


def estimated_bit(event: StatusEvent) -> int:
    """The bit of an event's status if its time is that of asking, else 0.

    Of QUEUED alone the API tells when it was.
    """
    if event.source == WEBHOOK:
        return 0
    is_told = event.status == Status.QUEUED and event.timestamp != event.event_time
    return 0 if is_told else ESTIMATED_BITS.get(event.status, 0)


def step_after(asks: int) -> timedelta:
    """How long to wait once a message has been asked for so often."""
    return STEPS[min(max(asks, 1), len(STEPS)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFilter:
    """Which messages of an account are to be asked for.

    :param stuck_for: no status, QUEUED or SENT, and not heard of for so long.
    :param is_recheck: DELIVERED and FAILED ones too, whatever was heard of them, if they were not
        asked for within the shortest step.
    :param since: first heard of at or after this (aware datetime).
    :param until: first heard of before this.
    """

    account_id: str
    stuck_for: timedelta = timedelta(hours=1)
    is_recheck: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses of what is asked for, beside none at all."""
        stuck = (Status.QUEUED, Status.SENT)
        return (*stuck, Status.DELIVERED, Status.FAILED) if self.is_recheck else stuck


class Asked(NamedTuple):
    """A message to be asked for, as it stood when that was found out.

    :param key: the ledger's own id of it, ``None`` if it has none.
    :param ask_at: not before this (UTC), ``None`` if it never was.
    :param asks: how often it was.
    :param not_found: how often Freshdesk did not know it.
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
    """A message that the ledger does not know: it has no key."""
    return Asked(None, account_id, message_id, None, None, 0, 0, now)


class AskCursor(NamedTuple):
    """Where a page of messages to be asked for ended."""

    first_seen: datetime
    key: Any


def is_due(one: Asked, wanted: AskFilter, now: datetime) -> bool:
    """Whether a message's turn has come; SQL ledgers ask their database the same."""
    if one.ask_at is None:
        return True
    early = step_after(one.asks) - STEPS[0] if wanted.is_recheck else timedelta()
    return one.ask_at <= now + early


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The last run of ``reconcile`` over the messages of a receiver, or of one of its accounts.

    :param receiver: the receiver's name; where it has accounts, with the account's key.
    :param asked: how many messages it asked for.
    :param changed: of how many there was news.
    :param stopped: why it ended before it was through, or could not ask; ``None`` if it was.
    :param ended_at: when it ended (UTC).
    :param good_at: when a run last ended that could ask (UTC), which may be an earlier one;
        ``None`` if none has.
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


def by_need(run: Reconciled) -> tuple[bool, datetime]:
    """Orders runs: first what was never reconciled, then what was longest ago."""
    return run.good_at is not None, run.good_at or run.ended_at
