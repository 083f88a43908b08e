"""The course of a message over time: QUEUED, SENT, DELIVERED, READ or FAILED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from ..events import Status, rank_of
from .clock import HOUR, MINUTE, SECOND

MILLISECOND: Final = SECOND // 1000

ERRORS: Final = (
    ("131026", "Message undeliverable"),
    ("131047", "Re-engagement message"),
    ("131049", "This message was not delivered to maintain healthy ecosystem engagement."),
    ("131050", "User has stopped marketing messages"),
    ("130472", "User's number is part of an experiment"),
    ("131056", "Pair rate limit hit"),
    ("132001", "Template does not exist in the translation"),
    ("131000", "Something went wrong"),
    ("INVALID", "FAILED"),
)
"""WhatsApp's error codes, as text, and the one of the vendor's sample."""

_WAYS: Final = (
    (62, (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.READ)),
    (24, (Status.QUEUED, Status.SENT, Status.DELIVERED)),
    (4, (Status.QUEUED, Status.SENT)),
    (6, (Status.QUEUED, Status.SENT, Status.FAILED)),
    (4, (Status.QUEUED, Status.FAILED)),
)
"""The paths that messages take, with the percentage of each."""


@dataclass(frozen=True, slots=True)
class Step:
    """A message reaches a status.

    :param timestamp: when it did, in nanoseconds since 1970.
    :param event_time: when Freshdesk creates its webhook, likewise.
    :param error: code and message, if it failed.
    """

    status: str
    timestamp: int
    event_time: int
    error: tuple[str, str] | None = None

    def later(self, nanos: int) -> Step:
        """The same step, reached later."""
        return replace(self, timestamp=self.timestamp + nanos, event_time=self.event_time + nanos)


def make_journey(sent_at: int, random: Random) -> list[Step]:
    """Return the steps of a message.

    :param sent_at: when Freshdesk accepted it, in nanoseconds since 1970.
    """
    (way,) = random.choices([way for _, way in _WAYS], [weight for weight, _ in _WAYS])
    steps = [first_step(sent_at, random)]
    for status in way[1:]:
        steps.append(next_step(status, steps[-1].timestamp, random))
    return steps


def first_step(sent_at: int, random: Random) -> Step:
    """QUEUED, whose webhook is created within microseconds."""
    timestamp = sent_at + random.randint(60, 110) * MILLISECOND + random.randrange(MILLISECOND)
    return Step(Status.QUEUED, timestamp, timestamp + random.randint(2000, 9000))


def next_step(status: str, after: int, random: Random) -> Step:
    """A status that is reached some time after another.

    WhatsApp's times are in milliseconds; the webhook follows 0.1 to 0.6 seconds later, as in the
    vendor's samples.
    """
    timestamp = (after + _waited(status, random)) // MILLISECOND * MILLISECOND
    event_time = timestamp + random.randint(SECOND // 10, SECOND * 6 // 10)
    return Step(status, timestamp, event_time, an_error(random) if status == "FAILED" else None)


def an_error(random: Random) -> tuple[str, str]:
    """Return a random error for a message that fails."""
    return random.choice(ERRORS)


def furthest(statuses: Sequence[str]) -> str | None:
    """The furthest of these statuses, ``None`` if none of them is known."""
    known = [status for status in statuses if rank_of(status) is not None]
    return max(known, key=lambda status: rank_of(status) or 0, default=None)


def _waited(status: str, random: Random) -> int:
    """How long it takes to reach *status*: usually short, occasionally long."""
    typical, longest = {
        Status.SENT: (2 * SECOND, 30 * SECOND),
        Status.DELIVERED: (2 * SECOND, 2 * HOUR),
        Status.READ: (3 * MINUTE, 20 * HOUR),
        Status.FAILED: (5 * SECOND, HOUR),
    }.get(Status(status) if status in list(Status) else Status.SENT, (SECOND, MINUTE))
    return 400 * MILLISECOND + min(int(typical * random.lognormvariate(0, 1.1)), longest)
