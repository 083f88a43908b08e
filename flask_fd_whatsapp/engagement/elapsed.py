"""Durations of many messages: exact percentiles, without sorting them all at once.

Sorting a million numbers holds the interpreter lock for half a second, during which a worker
answers no request. So they are sorted in small runs, and figures are computed from the runs.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate, pairwise
from math import floor, log2
from time import sleep
from typing import Any, Final

from .definitions import AGES, LATE
from .figures import Bin, Times

_PIECE: Final = 2048
_MICROSECOND: Final = timedelta(microseconds=1)
_STEPS: Final = 8
"""The number of buckets per power of two for pruned durations: the error is less than 5 %."""

AGE_SECONDS: Final = tuple(age.total_seconds() for age in AGES)
LATE_SECONDS: Final = tuple(late.total_seconds() for late in LATE)


def by_age(seconds: Sequence[float]) -> list[int]:
    """Count the durations between each of :data:`.AGES` and the one before, and those beyond the
    last.

    :param seconds: sorted.
    """
    within = [0, *(bisect_right(seconds, age) for age in AGE_SECONDS), len(seconds)]
    return [b - a for a, b in pairwise(within)]


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration: 0 below a millisecond, then eight per power of two.

    When a message is pruned, only the buckets of its durations remain.
    """
    return 0 if seconds < 0.001 else 1 + floor(_STEPS * log2(seconds * 1000))


def _middle_of(bucket: int) -> float:
    return float(0.0005 if bucket == 0 else round(2 ** ((bucket - 0.5) / _STEPS) / 1000, 6))


class Elapsed:
    """The seconds that messages took from one status to a later one.

    :ivar left_out: how many messages reached the later status but are not included.
    :ivar negative: how many have a later time before the earlier one.
    """

    __slots__ = ("_bins", "_buckets", "_late", "_pieces", "_recent", "left_out", "negative")

    def __init__(self) -> None:
        self.left_out = 0
        self.negative = 0
        self._recent: list[float] = []
        self._pieces: list[array[float]] = []
        self._buckets: Counter[int] = Counter()  # of pruned messages, like the next two
        self._bins = [0] * (len(AGES) + 1)
        self._late = [0] * len(LATE)

    def add(self, seconds: float) -> None:
        """Add a duration; a negative one counts as zero."""
        self._recent.append(seconds)
        if len(self._recent) >= _PIECE:
            self._cut()

    def add_all(self, seconds: Sequence[float]) -> None:
        """Add many durations."""
        for start in range(0, len(seconds), _PIECE):
            if start:
                sleep(0)
            self._recent.extend(seconds[start : start + _PIECE])
            if len(self._recent) >= _PIECE:
                self._cut()

    def _cut(self) -> None:
        if self._recent:
            self._recent.sort()
            negative = bisect_left(self._recent, 0.0)
            self._recent[:negative] = [0.0] * negative
            self.negative += negative
            self._pieces.append(array("d", self._recent))
            self._recent = []

    def merge(self, other: Elapsed) -> None:
        """Add everything that *other* contains."""
        other._cut()
        self.left_out += other.left_out
        self.negative += other.negative
        for piece in other._pieces:
            if len(piece) >= _PIECE:
                self._pieces.append(piece)
            else:
                self.add_all(piece)
        self._buckets.update(other._buckets)
        self._bins = [a + b for a, b in zip(self._bins, other._bins, strict=True)]
        self._late = [a + b for a, b in zip(self._late, other._late, strict=True)]

    def times(self) -> Times:
        """Return the figures for these durations."""
        n = self._count()
        p50, p90, p99 = (self._percentile(n, per_cent) for per_cent in (50, 90, 99))
        bounds = (None, *AGES, None)
        return Times(
            n=n,
            p50=p50,
            p90=p90,
            p99=p99,
            left_out=self.left_out,
            negative=self.negative,
            histogram=tuple(
                Bin(above=above, up_to=up_to, count=count)
                for (above, up_to), count in zip(pairwise(bounds), self._all_bins(), strict=True)
            ),
        )

    def late(self) -> list[int]:
        """Return how many took longer than each of :data:`LATE`."""
        live = self._live()
        return [
            live - self._live_within(bound) + pruned
            for bound, pruned in zip(LATE_SECONDS, self._late, strict=True)
        ]

    def folded(self) -> dict[str, Any]:
        """Return what is kept when the messages are pruned, as JSON."""
        self._cut()
        buckets = Counter(self._buckets)
        buckets.update(bucket_of(seconds) for piece in self._pieces for seconds in piece)
        return {
            "buckets": {str(bucket): count for bucket, count in sorted(buckets.items())},
            "bins": self._all_bins(),
            "late": self.late(),
            "left_out": self.left_out,
            "negative": self.negative,
        }

    @classmethod
    def unfolded(cls, kept: dict[str, Any]) -> Elapsed:
        """Restore what :meth:`folded` returned."""
        made = cls()
        made._buckets = Counter({int(one): count for one, count in kept["buckets"].items()})
        made._bins, made._late = list(kept["bins"]), list(kept["late"])
        made.left_out, made.negative = kept["left_out"], kept["negative"]
        return made

    def _count(self) -> int:
        return self._live() + sum(self._bins)

    def _live(self) -> int:
        self._cut()
        return sum(map(len, self._pieces))

    def _live_within(self, seconds: float) -> int:
        return sum(bisect_right(piece, seconds) for piece in self._pieces)

    def _all_bins(self) -> list[int]:
        self._cut()
        return [sum(counts) for counts in zip(self._bins, *map(by_age, self._pieces), strict=True)]

    def _percentile(self, n: int, per_cent: int) -> timedelta | None:
        """Return a percentile by nearest rank."""
        if not n:
            return None
        rank = -(-n * per_cent // 100)
        self._cut()
        if len(self._pieces) == 1 and not self._buckets:
            return timedelta(seconds=self._pieces[0][rank - 1])
        middles = sorted((_middle_of(one), count) for one, count in self._buckets.items())
        values, sums = [one for one, _ in middles], [0, *accumulate(c for _, c in middles)]
        ends = [piece[-1] for piece in self._pieces] + values[-1:]
        low, high = -1, round(max(ends) * 1_000_000)
        while high - low > 1:
            middle = (low + high) // 2
            seconds = middle / 1_000_000
            within = self._live_within(seconds) + sums[bisect_right(values, seconds)]
            low, high = (low, middle) if within >= rank else (middle, high)
        sleep(0)
        return high * _MICROSECOND
