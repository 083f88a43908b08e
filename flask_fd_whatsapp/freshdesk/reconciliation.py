"""What a run of ``reconcile`` has done, message by message and in all."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from ..receiving.responses import Result


class Told(StrEnum):
    """What came of asking for a message."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    NO_ANSWER = "no_answer"
    WOULD_ASK = "would_ask"


_OLD: Final = (Result.DUPLICATE, Result.DEAD)


def told_by(result: Result) -> Told:
    """What an answer brought, by what became of it on a webhook's way."""
    if result in _OLD:
        return Told.UNCHANGED
    return Told.CHANGED if result.is_recorded else Told.REFUSED


class Answered(NamedTuple):
    """A message that was asked for.

    :param status: what Freshdesk says; ``None`` if it does not.
    """

    message_id: str
    told: Told
    status: str | None = None


@dataclass(slots=True)
class Reconciliation:
    """What a run has done.

    :param counts: how many messages, by what came of asking: ``refused`` are those of which the
        host's schema did not take what was told (it is in quarantine).
    :param settled: how many unknown sends turned out to have been sent.
    :param stopped: why it ended before it was through, ``None`` if it did not.
    :param problem: why it could not ask, ``None`` if it could.
    """

    counts: dict[Told, int] = field(default_factory=lambda: dict.fromkeys(Told, 0))
    settled: int = 0
    stopped: str | None = None
    problem: str | None = None

    @property
    def asked(self) -> int:
        """How many messages were asked for."""
        return sum(self.counts.values()) - self.counts[Told.WOULD_ASK]
