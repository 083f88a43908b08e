"""Lets long-running commands share the database with other writers."""

from __future__ import annotations

from typing import Final

BATCH_SECONDS: Final = 0.01
SMALLEST: Final = 5
LARGEST: Final = 500


class Pace:
    """The sizes of batches, and the pauses between them.

    A batch takes about a hundredth of a second, and the pause is as long as the batch was: other
    writers wait only briefly, and get at least half of the time.

    :ivar size: the size of the next batch.
    """

    def __init__(self) -> None:
        self.size = SMALLEST

    def pause(self, seconds: float) -> float:
        """Return how long to pause after a batch of :attr:`size` that took *seconds*."""
        fits = self.size * BATCH_SECONDS / max(seconds, BATCH_SECONDS / 100)
        # Shrink quickly, grow slowly: a batch that waited for the disk says little about the next.
        self.size = round(min(max(fits, SMALLEST), self.size * 1.25 + 1, LARGEST))
        return max(seconds, BATCH_SECONDS)
