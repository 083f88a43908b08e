"""Defines each figure as a pure function of a message's row.

A message's kind is the set of statuses it reached, one bit each, so that messages of the same kind
are counted together, and each figure is a sum over kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from ..events import Status, rank_of


def bit_of(status: str) -> int:
    """Return the bit of a documented status, in what was reached and in what is estimated."""
    rank = rank_of(status)
    if rank is None:
        raise ValueError(f"{status!r} is not a documented status: it has no bit.")
    return 1 << rank


QUEUED: Final = bit_of(Status.QUEUED)
SENT: Final = bit_of(Status.SENT)
FAILED: Final = bit_of(Status.FAILED)
DELIVERED: Final = bit_of(Status.DELIVERED)
READ: Final = bit_of(Status.READ)
OTHER: Final = 1 << 1 + max(status.rank for status in Status if status.rank is not None)
"""Set if there were only events of undocumented statuses; above the bits of all documented ones."""

KINDS: Final = OTHER << 1
"""The number of kinds: every ``reached`` is below this."""

YOUNG: Final = timedelta(hours=24)
"""Messages sent within this time before the report are not final."""

AGES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=24),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=30),
)
"""The ages of the curve, and the bounds of the histograms."""

LATE: Final = (timedelta(minutes=10), timedelta(hours=24), timedelta(days=7))
"""A delivery is late if it took longer than each of these."""


def is_delivered(reached: int) -> bool:
    """D: reached DELIVERED or READ, since WhatsApp may skip the former."""
    return bool(reached & (DELIVERED | READ))


def is_submitted(reached: int) -> bool:
    """S: reached SENT, or was delivered, which implies it."""
    return bool(reached & SENT) or is_delivered(reached)


def is_read(reached: int) -> bool:
    """R: reached READ; fewer than were actually read, since receipts can be off."""
    return bool(reached & READ)


def is_failed(reached: int) -> bool:
    """F: FAILED, and not delivered."""
    return bool(reached & FAILED) and not is_delivered(reached)


def is_failed_before(reached: int) -> bool:
    """Failed before it was submitted to WhatsApp."""
    return is_failed(reached) and not is_submitted(reached)


def is_failed_after(reached: int) -> bool:
    """Failed after it was submitted to WhatsApp."""
    return is_failed(reached) and is_submitted(reached)


def is_failed_but_arrived(reached: int) -> bool:
    """FAILED, but also delivered: to another of the recipient's devices, for example."""
    return bool(reached & FAILED) and is_delivered(reached)


def is_pending(reached: int) -> bool:
    """P: neither delivered nor failed."""
    return not is_delivered(reached) and not is_failed(reached)


def is_unheard(reached: int) -> bool:
    """Pending, without any event."""
    return reached == 0


def is_awaiting(reached: int) -> bool:
    """Pending, and submitted to WhatsApp."""
    return is_pending(reached) and bool(reached & SENT)


def is_queued(reached: int) -> bool:
    """Pending, with an event, and not submitted; includes unknown statuses."""
    return is_pending(reached) and not is_unheard(reached) and not is_awaiting(reached)


COUNTS: Final[dict[str, Callable[[int], bool]]] = {
    "submitted": is_submitted,
    "delivered": is_delivered,
    "read": is_read,
    "failed": is_failed,
    "failed_before": is_failed_before,
    "failed_after": is_failed_after,
    "failed_but_arrived": is_failed_but_arrived,
    "pending": is_pending,
    "unheard": is_unheard,
    "awaiting": is_awaiting,
    "queued": is_queued,
}
"""The figures that count messages, except ``known`` (all of them) and ``young``."""

RATES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "submission_rate": ("submitted", ("known",)),
    "delivery_rate": ("delivered", ("submitted",)),
    "of_settled": ("delivered", ("delivered", "failed")),
    "read_rate": ("read", ("delivered",)),
    "failure_rate": ("failed", ("known",)),
}
"""The rates, each as a count and the counts whose sum is the denominator."""


class Way(NamedTuple):
    """A step from one status to a later one."""

    name: str
    start: int
    end: int

    def is_known(self, reached: int, estimated: int) -> bool:
        """Whether both times are WhatsApp's own, so that the duration can be measured."""
        both = self.start | self.end
        return reached & ~estimated & both == both

    def is_left_out(self, reached: int, estimated: int) -> bool:
        """Whether it reached the later status, but its duration cannot be measured."""
        return bool(reached & self.end) and not self.is_known(reached, estimated)


WAYS: Final = (
    Way("time_to_submit", QUEUED, SENT),
    Way("time_to_deliver", SENT, DELIVERED),
    Way("time_to_read", DELIVERED, READ),
    Way("sent_to_read", SENT, READ),
)
"""The durations that are measured."""


def is_left_out_of_curve(reached: int, estimated: int) -> bool:
    """Whether the time that places a submitted message on the curve is estimated."""
    first = DELIVERED if reached & DELIVERED else READ
    return bool(reached & estimated & (first | READ))
