"""What a monitor that keeps figures over time asks of a ledger, all of it at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

WINDOW: Final = timedelta(hours=24)
"""Messages and sends that are older are left out."""

UNHEARD_AFTER: Final = timedelta(minutes=10)
"""A send is given so long before it is missed that nothing was heard of it."""

NO_STATUS: Final = "none"
"""Stands for the status of a message of which nothing is known yet, or nothing that is known."""


@dataclass(slots=True, kw_only=True)
class Gauges:
    """How one receiver stands.

    :param pending: events that are still to be handled.
    :param oldest_pending: when the oldest of them was recorded (UTC).
    :param dead: events that are dead, acknowledged or not.
    :param quarantined: bodies in quarantine, those of other event types too.
    :param last_accepted: when the last event was recorded (UTC).
    :param rejected: when a request was last rejected, by reason (UTC).
    :param rejections: how many requests were rejected, by reason, since it was first counted.
    :param last_reconciled: when a `reconcile` last ended that could ask (UTC); of a receiver's
        accounts, that of which this is longest ago.
    :param failing_reconciliations: of how many of its accounts the last `reconcile` could not ask;
        at most 1 where it has one.
    :param drift: how many things were seen in payloads within :data:`WINDOW` that are not known.
    :param messages: those first heard of within :data:`WINDOW`, by furthest status.
    :param unheard: sends within :data:`WINDOW`, older than :data:`UNHEARD_AFTER`, of whose message
        no event has come.
    :param unknown: sends of which nobody knows what became of them.
    """

    pending: int = 0
    oldest_pending: datetime | None = None
    dead: int = 0
    quarantined: int = 0
    last_accepted: datetime | None = None
    rejected: Mapping[str, datetime] = field(default_factory=dict)
    rejections: Mapping[str, int] = field(default_factory=dict)
    last_reconciled: datetime | None = None
    failing_reconciliations: int = 0
    drift: int = 0
    messages: Mapping[str, int] = field(default_factory=dict)
    unheard: int = 0
    unknown: int = 0


class GaugeReader(Protocol):
    """Reads what monitors keep over time."""

    def read(self, receivers: Collection[str]) -> Mapping[str, Gauges]:
        """How the receivers of these names stand, with one query however many they are."""
        ...
