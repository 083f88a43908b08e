"""When the sweep tries a failed event again."""

from __future__ import annotations

import random
from typing import Final

FIRST_DELAY_SECONDS: Final = 30
MAX_DELAY_SECONDS: Final = 6 * 3600


def backoff(attempts: int) -> float:
    """Seconds until the next try: doubled with each attempt, up to six hours, with jitter.

    :param attempts: how many tries have failed, from 1.
    """
    delay = min(FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 30), MAX_DELAY_SECONDS)
    return delay * random.uniform(0.75, 1.25)  # noqa: S311  # no secret
