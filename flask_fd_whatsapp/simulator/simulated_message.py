"""A message that the simulator sent, and its state so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .journey import Step, furthest
from .posts import Post


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedMessage:
    """An outbound message.

    :param id: a ULID.
    :param sent_at: when Freshdesk accepted it, in nanoseconds since 1970 (UTC).
    :param steps: the statuses it reaches, in order.
    :param posts: what is posted about it.
    :param now: returns the simulated time.
    """

    id: str
    account_id: str
    external_reference_id: str | None
    recipient: str
    sent_at: int
    steps: tuple[Step, ...]
    posts: tuple[Post, ...] = field(repr=False)
    now: Callable[[], int] = field(repr=False)

    @property
    def status(self) -> str:
        """The furthest known status it has reached so far, on the simulator's clock."""
        now = self.now()
        reached = [step.status for step in self.steps if step.timestamp <= now]
        return furthest(reached) or self.steps[0].status

    @property
    def final_status(self) -> str:
        """The furthest known status of its whole journey."""
        return furthest([step.status for step in self.steps]) or self.steps[0].status

    @property
    def error(self) -> tuple[str, str] | None:
        """Code and message of its failure, if it has already failed."""
        now = self.now()
        return next(
            (step.error for step in self.steps if step.error and step.timestamp <= now), None
        )
