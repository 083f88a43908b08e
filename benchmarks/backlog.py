"""A backlog worked off by ``retry --follow``: the effect of running several of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import islice
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import select

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import handling

from .backlog_app import HANDLER_MS, RECEIVER, create_app
from .command import each, make_parser, positive, run
from .ledgers import fresh_host, on_each
from .ratios import ratio
from .report import Table
from .requests import new_environs
from .server import LEDGER_URL, ROOT
from .timing import post

DATABASES = ("sqlite", "postgresql")

AIMS = {0: 1.0, 20: 2.5}
"""How many times as fast four are to be, by the handler's milliseconds."""

_MORE_IF_NOTHING = 20
"""How many times as many events a handler that does nothing gets, as it takes no time."""

_PATIENCE_SECONDS = 600
_FOLLOW = (sys.executable, "-m", "flask", "--app", "benchmarks.backlog_app", "fd-whatsapp")

_COLUMNS = {
    "database": "where the ledger is",
    "handler": "what it does: nothing, or sleep",
    "one": "events per second handled by one process, the median of the rounds",
    "four": "the same with four",
    "four to one": "in the same round: median and quartiles",
    "aim": "the least it should be",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("backlog", __doc__ or "", "--events 20000 --rounds 1 --only postgresql")
    made.add_argument(
        "--events",
        type=positive,
        default=1000,
        help="in the backlog of a round, for a slow handler",
    )
    made.add_argument("--rounds", type=positive, default=3, help="of one, and of four")
    made.add_argument("--only", nargs="+", choices=DATABASES, default=DATABASES)
    return made


def measure(options: Namespace) -> list[Table]:
    """A row for each database and handler.

    :raises NotMeasured: if there is none of the databases.
    """
    return on_each(
        options.only,
        lambda database: [
            _row(
                database,
                milliseconds,
                options.events * (1 if milliseconds else _MORE_IF_NOTHING),
                options.rounds,
            )
            for milliseconds in AIMS
        ],
        title="A backlog",
        text=f"{options.events:,} due events ({_MORE_IF_NOTHING} times as many for a handler that "
        "does nothing), and `retry --follow` in one process and in four, alternately; the events "
        "are released once all processes have started, and the rate is that of the middle half. "
        "The processes and the database share the machine's cores.",
        columns=_COLUMNS,
    )


def _row(database: str, milliseconds: int, events: int, rounds: int) -> dict[str, Any]:
    rates: dict[int, list[float]] = {1: [], 4: []}
    what = f"{milliseconds} ms" if milliseconds else "nothing"
    for _ in each(f"Backlogs in {database}, handler: {what}", range(rounds)):
        for count, taken in rates.items():
            with _backlog(database, events) as (ledger, variables), ExitStack() as stack:
                variables = {**variables, HANDLER_MS: str(milliseconds)}
                # Starting takes longer than handling a thousand events.
                reserved = ledger.reservations.reserve(
                    receiver=RECEIVER, limit=events, seconds=_PATIENCE_SECONDS
                )
                started = [stack.enter_context(_following(variables)) for _ in range(count)]
                for process in started:
                    _wait_for(process)
                ledger.reservations.unreserve(reserved)
                taken.append(_rate(ledger, events))
    return {
        "database": database,
        "handler": what,
        "one": median(rates[1]),
        "four": median(rates[4]),
        "four to one": ratio(rates[4], rates[1]),
        "aim": AIMS[milliseconds],
    }


@contextmanager
def _backlog(database: str, events: int) -> Generator[tuple[SQLLedger, Mapping[str, str]]]:
    """Context manager for a ledger with this many due events, and the variables that point to
    it.
    """
    with (
        fresh_host(database, create_app) as host,
        TemporaryDirectory(prefix="benchmark-") as home,
    ):
        statuses: list[str] = []
        for environ in islice(new_environs(), events):
            post(host.app, environ, statuses)
        if set(statuses) != {"200 OK"}:
            raise RuntimeError(f"Events were answered with {set(statuses)}.")
        yield host.ledger, {LEDGER_URL: host.url, "HOME": home}


@contextmanager
def _following(variables: Mapping[str, str]) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*_FOLLOW, "retry", "--follow"],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    """Wait until it says that it follows."""
    assert process.stderr is not None
    if not any(line.startswith(b"Following") for line in process.stderr):
        raise RuntimeError("`retry --follow` did not start.")


def _rate(ledger: SQLLedger, events: int) -> float:
    """Events a second, once all of them are handled."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while pending := ledger.overview.backlog().pending:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{pending} events wait for {_PATIENCE_SECONDS} seconds.")
        time.sleep(0.2)
    with ledger.engine.connect() as connection:
        query = select(handling.c.handled_at).order_by(handling.c.handled_at)
        handled: list[datetime] = list(connection.scalars(query))
    if len(handled) != events:
        raise RuntimeError(f"Of {events} events {len(handled)} were handled.")
    quarter = len(handled) // 4
    took = handled[3 * quarter] - handled[quarter]
    return 2 * quarter / max(took.total_seconds(), 1e-6)


if __name__ == "__main__":
    main()
