"""The cost of an event in a full ledger, which should be that in an empty one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from flask_fd_whatsapp.ledger.sql import SQLLedger

from .command import make_parser, positive, run, say
from .durable import durable
from .filling import ACCOUNT, DAYS, OLDEST_CAMPAIGN, fill
from .ledgers import Host, fresh_host, on_each
from .report import Table
from .requests import message_id
from .timing import Timing, of_samples
from .timing import measure as measure_subjects

DATABASES = ("sqlite", "postgresql")
AIM = 1.2

_COLUMNS = {
    "database": "where the ledger is",
    "what": "an event received, recorded and handled; or a query of `current_ledger`",
    "empty ms": "how long that takes in an otherwise empty ledger, including waiting: the median",
    "full ms": "the same with all those events in it",
    "full to empty": "in the same block: median and quartiles",
    "aim": "the most it should be",
}

_QUERIES: dict[str, Callable[[SQLLedger], object]] = {
    "backlog()": lambda ledger: ledger.overview.backlog(),
    "events(), the newest 100": lambda ledger: ledger.events(),
    "events() of a message": lambda ledger: ledger.events(message_id=message_id(0)),
    "events(account_id=)": lambda ledger: ledger.events(account_id=ACCOUNT),
    "events(campaign=), the oldest": lambda ledger: ledger.events(campaign=OLDEST_CAMPAIGN),
    "events(campaign=), a page of it": lambda ledger: ledger.events(
        campaign=OLDEST_CAMPAIGN, after=1000
    ),
    "events(until=), the oldest": lambda ledger: ledger.events(
        until=datetime.now(UTC) - timedelta(days=DAYS - 1)
    ),
    "events(status=), without a match": lambda ledger: ledger.events(status="FAILED"),
    "events(unhandled_by=), without a match": lambda ledger: ledger.events(
        unhandled_by="benchmarks.durable.handler"
    ),
    "message()": lambda ledger: ledger.message(message_id(0)),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("growth", __doc__ or "", "--events 100000 --only sqlite")
    made.add_argument("--events", type=positive, default=1_000_000, help="in the full ledger")
    made.add_argument("--blocks", type=positive, default=50, help="blocks of each ledger")
    made.add_argument("--posts", type=positive, default=40, help="events taken in in a block")
    made.add_argument("--only", nargs="+", choices=DATABASES, default=DATABASES)
    return made


def measure(options: Namespace) -> list[Table]:
    """Empty and full side by side, for each database.

    :raises NotMeasured: if there is none of them.
    """
    return on_each(
        options.only,
        lambda database: _measure(database, options),
        title=f"With {options.events:,} events in the ledger",
        text=f"In one process, {options.blocks} interleaved blocks of {options.posts} events "
        "or of one query each; wall-clock time, since the database's time counts too.",
        columns=_COLUMNS,
    )


def _measure(database: str, options: Namespace) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(fresh_host(database, durable)) for name in ("empty", "full")
        }
        say(f"Filling {database} with {options.events:,} events")
        fill(sides["full"].ledger.engine, options.events)
        timings = measure_subjects(
            {f"{database}, {name}": of_samples(side.app) for name, side in sides.items()},
            blocks=options.blocks,
            events=options.posts,
            clock=perf_counter,
        )
        rows = [_row(database, "POST", *timings.values()) | {"aim": AIM}]
        for title, query in _QUERIES.items():
            rows.append(_row(database, title, *_times(query, sides, options.blocks)))
        return rows


def _times(
    query: Callable[[SQLLedger], object], sides: Mapping[str, Host], blocks: int
) -> list[Timing]:
    """How long *query* takes on each side, alternately; the first time does not count."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(blocks + 1):
        for name, side in sides.items():
            start = perf_counter()
            query(side.ledger)
            took[name].append(perf_counter() - start)
    return [Timing(seconds[1:]) for seconds in took.values()]


def _row(database: str, what: str, empty: Timing, full: Timing) -> dict[str, Any]:
    return {
        "database": database,
        "what": what,
        "empty ms": empty.microseconds / 1e3,
        "full ms": full.microseconds / 1e3,
        "full to empty": full.ratio_to(empty),
    }


if __name__ == "__main__":
    main()
