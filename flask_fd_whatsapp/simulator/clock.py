"""The simulator's clock: real, or driven, at a day per second."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
A_DAY_A_SECOND: Final = 86_400.0
SAMPLES_DAY: Final = datetime(2025, 11, 18, 9, 0, tzinfo=UTC)
"""Where a driven clock starts by default: fixed, so that runs are reproducible."""


def nanoseconds(moment: datetime) -> int:
    """Convert a moment into nanoseconds since 1970 (UTC).

    :param moment: aware.
    """
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def moment_of(nanos: int) -> datetime:
    """Convert nanoseconds since 1970 into a moment in UTC, truncated to microseconds."""
    return EPOCH + timedelta(microseconds=nanos // 1000)


def written(nanos: int, digits: int) -> str:
    """Format a moment like the vendor, with 3 or 9 fractional digits."""
    second, fraction = divmod(nanos, SECOND)
    text = moment_of(second * SECOND).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{f'{fraction:09d}'[:digits]}Z"


class Clock:
    """Stands still until :meth:`start`, then runs *speed* times as fast as real time.

    :param begin: where it starts (aware).
    :param speed: simulated seconds per real one.
    """

    def __init__(self, begin: datetime = SAMPLES_DAY, speed: float = A_DAY_A_SECOND) -> None:
        if begin.tzinfo is None:
            raise ValueError("A clock starts at an aware datetime, such as one in UTC.")
        if not 0 < speed < math.inf:
            raise ValueError("A clock's speed is more than 0, and finite.")
        self.begin = nanoseconds(begin)
        if self.begin < 0:
            raise ValueError("A clock starts in 1970 or later.")
        self.speed = speed
        self._started: int | None = None

    @classmethod
    def real(cls) -> Clock:
        """The time of day."""
        clock = cls(datetime.now(UTC), speed=1)
        clock.start()
        return clock

    def start(self) -> None:
        """Start it, unless it is running already."""
        if self._started is None:
            self._started = time.monotonic_ns()

    def now(self) -> int:
        """The simulated time, in nanoseconds since 1970 (UTC)."""
        if self._started is None:
            return self.begin
        return self.begin + int((time.monotonic_ns() - self._started) * self.speed)

    def seconds_until(self, nanos: int) -> float:
        """Real seconds until the simulated time *nanos*; 0 or less if it is past."""
        return (nanos - self.now()) / SECOND / self.speed
