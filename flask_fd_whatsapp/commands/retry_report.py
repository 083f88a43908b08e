"""The result of a run of ``retry``: how many events had which result, and which failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

import click

from ..ledger import Backlog, Event, State
from ..ledger.protocol import find_event
from ..receiving.receiver import Receiver
from ..receiving.responses import Result
from ..receiving.sweep import Swept
from .event_list import describe
from .output import many, print_json, when

_MOST_SHOWN: Final = 20


@dataclass
class Tally:
    """Counts results.

    :param failed: how many events had a failing handler, or are dead.
    :param failures: the first of them.
    :param postponed: the first of those that a handler has postponed.
    :param problems: ledgers that could not be used.
    :param was_stopped: whether it was asked to stop before the end.
    :param pending: how many events are still pending, ``None`` if unknown.
    :param next_due: when the first of them is due (UTC).
    """

    results: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    failures: list[Event] = field(default_factory=list)
    postponed: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    was_stopped: bool = False
    pending: int | None = None
    next_due: datetime | None = None

    def count(self, swept: Swept) -> None:
        """Count a result only."""
        self.results[swept.result.label] += 1

    def add(self, receiver: Receiver, swept: Swept) -> None:
        """Count a result, and look up the reason unless it is a success."""
        self.count(swept)
        result = swept.result
        if result is Result.BUSY or (result.is_settled and result is not Result.DEAD):
            return
        event = find_event(receiver.ledger, swept.event_id)
        if event is None or event.state is State.DONE:
            return
        if swept.result is Result.POSTPONED and event.state is State.PENDING:
            if len(self.postponed) < _MOST_SHOWN:
                self.postponed.append(event)
            return
        self.failed += 1
        if len(self.failures) < _MOST_SHOWN:
            self.failures.append(event)

    def leave(self, backlog: Backlog) -> None:
        """Note one receiver's remaining events."""
        self.pending = (self.pending or 0) + backlog.pending
        due = [moment for moment in (self.next_due, backlog.next_due) if moment is not None]
        self.next_due = min(due, default=None)

    def show(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            failures = [asdict(event) for event in self.failures]
            print_json(
                {
                    "results": dict(self.results),
                    "failed": self.failed,
                    "failures": failures,
                    "postponed": [asdict(event) for event in self.postponed],
                    "problems": self.problems,
                    "was_stopped": self.was_stopped,
                    "pending": self.pending,
                    "next_due": self.next_due,
                }
            )
            return
        for event in (*self.failures, *self.postponed):
            click.echo(describe(event))
        if self.failed > len(self.failures):
            click.echo(f"... and {self.failed - len(self.failures)} more that failed.")
        counted = ", ".join(f"{count} {label}" for label, count in self.results.items())
        if counted or not self.problems:
            click.echo(f"{'Stopped. ' if self.was_stopped else ''}{counted or self._left()}.")

    def _left(self) -> str:
        if not self.pending:
            return "Nothing to do"
        verb = "is" if self.pending == 1 else "are"
        return (
            f"Nothing to do now: {many(self.pending, 'event')} {verb} pending, due from "
            f"{when(self.next_due)} or being handled"
        )
