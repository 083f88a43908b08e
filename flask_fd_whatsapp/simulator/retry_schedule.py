"""Freshdesk's retries; their real number, schedule and time-out are unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .clock import SECOND, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How a post that was not acknowledged is retried.

    :param delays: seconds, on the simulator's clock, before each retry; after the last it is given
        up.  The default is that of Freshdesk's automation rules: 5, 30 and 60 minutes.
    :param timeout: real seconds that an answer may take.
    :param at_least: the minimum of the first delay in real seconds, however fast the clock runs,
        doubled for each further one, since the receiver runs in real time.
    :param honours_retry_after: wait for the answer's ``Retry-After`` instead.
    :param renews_event_time: send a new ``event_time`` each time, instead of an identical body.
    :param stop_if_unreachable: end the run after this many failed attempts to connect, if none has
        succeeded; ``None`` to continue.
    """

    delays: tuple[float, ...] = (300, 1800, 3600)
    timeout: float = 10
    at_least: float = 0
    honours_retry_after: bool = False
    renews_event_time: bool = False
    stop_if_unreachable: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.timeout < math.inf:
            raise ValueError("A time-out is more than 0 seconds, and finite.")
        if not all(0 <= delay < math.inf for delay in (*self.delays, self.at_least)):
            raise ValueError("A wait is 0 seconds or more, and finite.")

    def due_again(self, tries: int, retry_after: float | None, clock: Clock) -> int | None:
        """Return when to try again, in nanoseconds since 1970; ``None`` to give up.

        :param tries: the number of attempts so far.
        :param retry_after: what the answer asked for, in seconds.
        """
        if tries > len(self.delays):
            return None
        delay = self.delays[tries - 1]
        if self.honours_retry_after and retry_after is not None:
            delay = retry_after
        least = self.at_least * 2 ** (tries - 1) * clock.speed
        return clock.now() + int(max(delay, least) * SECOND)
