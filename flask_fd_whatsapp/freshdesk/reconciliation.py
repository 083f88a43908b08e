"""The result of a run of ``reconcile``: for each message, and in total."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from ..receiving.responses import Result


class Told(StrEnum):
    """The outcome of asking about a message."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    NO_ANSWER = "no_answer"
    WOULD_ASK = "would_ask"


_OLD: Final = (Result.DUPLICATE, Result.DEAD)


def told_by(result: Result) -> Told:
    """Return the outcome of an answer, by the result of processing it like a webhook."""
    if result in _OLD:
        return Told.UNCHANGED
    return Told.CHANGED if result.is_recorded else Told.REFUSED


class Answered(NamedTuple):
    """A message that was asked about.

    :param status: the status that Freshdesk reports; ``None`` if it reports none.
    """

    message_id: str
    told: Told
    status: str | None = None


@dataclass(slots=True)
class Reconciliation:
    """The totals of a run.

    :param counts: the number of messages by outcome; ``refused`` are those whose answer the host's
        schema rejected (it is in quarantine).
    :param settled: how many unknown sends turned out to have been sent.
    :param stopped: why the run ended early; ``None`` if it did not.
    :param problem: why Freshdesk could not be asked; ``None`` if it could.
    """

    counts: dict[Told, int] = field(default_factory=lambda: dict.fromkeys(Told, 0))
    settled: int = 0
    stopped: str | None = None
    problem: str | None = None

    @property
    def asked(self) -> int:
        """How many messages were asked about."""
        return sum(self.counts.values()) - self.counts[Told.WOULD_ASK]
