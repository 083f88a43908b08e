"""When Freshdesk tries again; its real number, schedule and time-out are unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .clock import SECOND, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How a post that was not acknowledged is tried again.

    :param delays: seconds, on the simulator's clock, before each further try; after the last it
        is given up.  The default is that of Freshdesk's automation rules: 5, 30 and 60 minutes.
    :param timeout: real seconds that an answer may take.
    :param at_least: real seconds that the first wait takes, however fast the clock runs, and
        each further one twice as many: the receiver lives in the real world.
    :param honours_retry_after: wait as long as the answer's ``Retry-After`` says instead.
    :param renews_event_time: send a body with a new ``event_time``, else the identical one.
    :param stop_if_unreachable: end the run after so many tries to connect of which none
        succeeded, ``None`` to go on.
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
        """When to try again, in nanoseconds since 1970; ``None`` to give up.

        :param tries: how often it has been tried.
        :param retry_after: what the answer asked for, in seconds.
        """
        if tries > len(self.delays):
            return None
        delay = self.delays[tries - 1]
        if self.honours_retry_after and retry_after is not None:
            delay = retry_after
        least = self.at_least * 2 ** (tries - 1) * clock.speed
        return clock.now() + int(max(delay, least) * SECOND)
