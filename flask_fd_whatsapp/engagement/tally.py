"""The counts of a group of messages, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ..failure_reasons import FailureClass
from .definitions import AGES, COUNTS, KINDS, LATE, WAYS
from .elapsed import Elapsed
from .figures import CurvePoint, FailureFigures, Figures, Late
from .rates import Rate

BINS: Final = len(AGES) + 1
"""The number of bins: from none of the curve's ages to all of them."""

CELLS: Final = BINS * BINS

Reason = tuple[FailureClass, str | None]


@dataclass(slots=True)
class FailureTally:
    """Messages that failed for one reason; times are in the ledger's format."""

    count: int = 0
    first: Any = None
    last: Any = None
    text: str | None = None
    example: str | None = None

    def add(self, failed_at: Any, text: str | None, example: str, count: int = 1) -> None:
        """Add a message, or several, of which this is the last."""
        self.count += count
        if self.first is None or failed_at < self.first:
            self.first = failed_at
        if self.last is None or failed_at >= self.last:
            self.last, self.text, self.example = failed_at, text, example

    def merge(self, other: FailureTally) -> None:
        """Add everything that *other* contains."""
        self.count += other.count
        if other.first is not None and (self.first is None or other.first < self.first):
            self.first = other.first
        if other.last is not None and (self.last is None or other.last > self.last):
            self.last, self.text, self.example = other.last, other.text, other.example


class Tally:
    """The counts of one group's messages.

    :ivar kinds: the number of messages by the bits of the statuses they reached.
    :ivar delivered_cells: the number of submitted messages. The index is the number of the curve's
        ages that the message has reached, times :data:`BINS`, plus the number of ages that passed
        until it was delivered.
    :ivar read_cells: the same until it was read.
    :ivar left_out: how many are left out of the curve, by the number of ages reached.
    :ivar elapsed: the durations, in the order of :data:`.WAYS`.
    """

    __slots__ = (
        "delivered_cells",
        "elapsed",
        "failures",
        "first_sent",
        "folded",
        "kinds",
        "last_sent",
        "left_out",
        "read_cells",
        "returned",
        "young",
    )

    def __init__(self, *, times: bool) -> None:
        self.kinds = [0] * KINDS
        self.young = 0
        self.returned = 0
        self.folded = 0
        self.first_sent: Any = None
        self.last_sent: Any = None
        self.failures: dict[Reason, FailureTally] = {}
        self.delivered_cells = [0] * (CELLS if times else 0)
        self.read_cells = [0] * (CELLS if times else 0)
        self.left_out = [0] * (BINS if times else 0)
        self.elapsed = [Elapsed() for _ in WAYS] if times else []

    def merge(self, other: Tally) -> None:
        """Add everything that *other* contains."""
        self.kinds = _sums(self.kinds, other.kinds)
        self.young += other.young
        self.returned += other.returned
        self.folded += other.folded
        if other.first_sent is not None:
            if self.first_sent is None or other.first_sent < self.first_sent:
                self.first_sent = other.first_sent
            if self.last_sent is None or other.last_sent > self.last_sent:
                self.last_sent = other.last_sent
        for reason, failures in other.failures.items():
            self.failures.setdefault(reason, FailureTally()).merge(failures)
        if self.elapsed and other.elapsed:
            self.delivered_cells = _sums(self.delivered_cells, other.delivered_cells)
            self.read_cells = _sums(self.read_cells, other.read_cells)
            self.left_out = _sums(self.left_out, other.left_out)
            for mine, its in zip(self.elapsed, other.elapsed, strict=True):
                mine.merge(its)

    def figures(self, read: Callable[[Any], datetime]) -> Figures:
        """Return the figures.

        :param read: converts one of the ledger's times to a datetime; UTC if it is naive.
        """
        counts: dict[str, Any] = {
            name: sum(count for kind, count in enumerate(self.kinds) if count and means(kind))
            for name, means in COUNTS.items()
        }

        def moment(raw: Any) -> datetime | None:
            return None if raw is None else _aware(read(raw))

        failures = [
            FailureFigures(
                failure_class=failure_class,
                code=code,
                count=Rate(one.count, counts["failed"]),
                first=moment(one.first),
                last=moment(one.last),
                text=one.text,
                example=one.example,
            )
            for (failure_class, code), one in self.failures.items()
        ]
        failures.sort(key=lambda one: (-one.count.numerator, one.failure_class, one.code or ""))
        return Figures(
            known=sum(self.kinds),
            **counts,
            young=self.young,
            returned=self.returned,
            folded=self.folded,
            first_sent=moment(self.first_sent),
            last_sent=moment(self.last_sent),
            failures=tuple(failures),
            **(self._measured() if self.elapsed else {}),
        )

    def _measured(self) -> dict[str, Any]:
        times = {way.name: one.times() for way, one in zip(WAYS, self.elapsed, strict=True)}
        deliveries = self.elapsed[1]
        late = (
            Late(than=than, rate=Rate(count, times["time_to_deliver"].n))
            for than, count in zip(LATE, deliveries.late(), strict=True)
        )
        return {**times, "curve": self._curve(), "late": tuple(late)}

    def _curve(self) -> tuple[CurvePoint, ...]:
        points = []
        for place, age in enumerate(AGES):
            n = within = read_within = 0
            for reached in range(place + 1, BINS):
                start = reached * BINS
                n += sum(self.delivered_cells[start : start + BINS])
                within += sum(self.delivered_cells[start : start + place + 1])
                read_within += sum(self.read_cells[start : start + place + 1])
            points.append(
                CurvePoint(
                    age=age,
                    delivered=Rate(within, n),
                    read=Rate(read_within, n),
                    left_out=sum(self.left_out[place + 1 :]),
                )
            )
        return tuple(points)


def _sums(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
