"""What has to hold after a soak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.simulator import FreshdeskSimulator, disagreements

from .command import each
from .soak_app import handled
from .soak_watch import Process, megabytes, open_files

GROWTH_MEGABYTES = 4
MORE_FILES = 32
"""What a receiver's threads and clients may come to have open, and no more the longer it runs."""

EXAMPLES = 3


@dataclass(frozen=True)
class Check:
    """A count, and its limit.

    :param examples: what is wrong, for those who look for the cause.
    """

    what: str
    found: float
    at_most: float = 0
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.found <= self.at_most

    def row(self) -> dict[str, Any]:
        """As a row of the table."""
        return {
            "what": self.what,
            "found": self.found,
            "at most": self.at_most,
            "holds": "yes" if self.holds else "no",
        }


def check_events(simulator: FreshdeskSimulator, ledger: SQLLedger) -> Iterator[Check]:
    """Whether simulator, ledger and the handler's rows agree about every event."""
    report, backlog = simulator.report, ledger.overview.backlog()
    yield Check("posts given up, or not settled", report.given_up + report.left)
    yield Check("events that are pending", backlog.pending)
    yield Check("events that are dead", backlog.dead)
    messages = each("Comparing the ledger with the simulator", [*simulator.messages.values()])
    wrong = [f"{message.id}: {problem}" for message, problem in disagreements(ledger, messages)]
    yield Check("disagreements of ledger and simulator", len(wrong), examples=_some(wrong))
    made = {(m.id, str(post.step.status)) for m in simulator.messages.values() for post in m.posts}
    rows = _rows(ledger)
    missing = [f"{message_id} {status}" for message_id, status in made - rows.keys()]
    yield Check("events that the handler wrote no row of", len(missing), examples=_some(missing))
    doubled = [f"{key} {rows[key]} times" for key in rows if rows[key] > 1 or key not in made]
    yield Check("events that it wrote too many rows of", len(doubled), examples=_some(doubled))


def check_processes(processes: Sequence[Process]) -> Iterator[Check]:
    """Whether none of them kept growing after warming up.

    Of a run of a few seconds nothing can be told.
    """
    grown, more = 0.0, 0
    for process in filter(Process.is_warm, processes):
        early, late = process.parts()
        grown = max(grown, megabytes(late) - megabytes(early))
        more = max(more, open_files(late) - open_files(early))
    yield Check("MB by which a process grew", grown, GROWTH_MEGABYTES)
    yield Check("files that a process has open in addition", more, MORE_FILES)


def _rows(ledger: SQLLedger) -> Counter[tuple[str, str]]:
    """How many rows the handler wrote of each event."""
    query = select(handled.c.message_id, handled.c.status, func.count()).group_by(
        handled.c.message_id, handled.c.status
    )
    with ledger.engine.connect() as connection:
        return Counter({(row[0], row[1]): row[2] for row in connection.execute(query)})


def _some(found: list[str]) -> tuple[str, ...]:
    return tuple(found[:EXAMPLES])
