"""What a monitoring system reads from a ledger, all at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

WINDOW: Final = timedelta(hours=24)
"""Older messages and sends are not counted."""

UNHEARD_AFTER: Final = timedelta(minutes=10)
"""How long after a send its first event may take to arrive."""

NO_STATUS: Final = "none"
"""The status of a message that has none, or only unknown ones."""


class LastRun(NamedTuple):
    """The last run of ``reconcile`` for a receiver, or for one of its accounts.

    :param receiver: the receiver's name; if it has accounts, with the account's key.
    :param good_at: when a run last ended that could ask (UTC), ``None`` if none has.
    :param is_good: whether the last run could ask.
    """

    receiver: str
    good_at: datetime | None
    is_good: bool


@dataclass(slots=True, kw_only=True)
class Gauges:
    """The state of one receiver.

    :param pending: events that are not handled yet.
    :param oldest_pending: when the oldest of them was recorded (UTC).
    :param dead: dead events, acknowledged or not.
    :param quarantined: entries in quarantine, including other event types.
    :param last_accepted: when the last event was recorded (UTC).
    :param rejected: when a request was last rejected, by reason (UTC).
    :param rejections: how many requests were rejected, by reason, since counting began.
    :param runs: the last run of ``reconcile``, of each of its accounts if it has several.
    :param drift: how many unknown parts were seen in payloads within :data:`WINDOW`.
    :param messages: messages first seen within :data:`WINDOW`, by furthest status.
    :param unheard: sends within :data:`WINDOW`, older than :data:`UNHEARD_AFTER`, without an event.
    :param unknown: sends whose outcome is unknown.
    """

    pending: int = 0
    oldest_pending: datetime | None = None
    dead: int = 0
    quarantined: int = 0
    last_accepted: datetime | None = None
    rejected: Mapping[str, datetime] = field(default_factory=dict)
    rejections: Mapping[str, int] = field(default_factory=dict)
    runs: Sequence[LastRun] = field(default_factory=list)
    drift: int = 0
    messages: Mapping[str, int] = field(default_factory=dict)
    unheard: int = 0
    unknown: int = 0

    @property
    def last_reconciled(self) -> datetime | None:
        """When a run of ``reconcile`` that could ask last ended (UTC).

        With several accounts, that of the account for which it is longest ago.
        """
        return min((run.good_at for run in self.runs if run.good_at is not None), default=None)

    @property
    def failing_reconciliations(self) -> int:
        """For how many accounts the last run of ``reconcile`` could not ask.

        At most 1 for a receiver without accounts.
        """
        return sum(not run.is_good for run in self.runs)


class GaugeReader(Protocol):
    """Reads what a monitoring system records over time."""

    def read(self, receivers: Collection[str]) -> Mapping[str, Gauges]:
        """Return the state of the receivers with these names, in one query."""
        ...
