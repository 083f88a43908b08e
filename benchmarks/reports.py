"""The cost of reports with very many messages, and their effect on posts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from threading import Event, Thread
from time import perf_counter
from typing import Any

from .command import each, make_parser, positive, run, say
from .durable import durable
from .ledgers import Host, fresh_host, on_each
from .ratios import percentile, ratio
from .report import Table
from .requests import new_environs
from .sent_messages import DAYS, SMALL_CAMPAIGN, SMALL_SHARE, fill_with_sent
from .timing import post

DATABASES = ("sqlite", "postgresql", "mariadb")
RECENT = 5
"""The period that is asked for with and without the rest is this part of all."""

_COLUMNS = {
    "database": "where the ledger is",
    "what": "a report by `current_ledger.engagement()`; or posts received one after the other "
    "while another thread of the process makes reports of every figure",
    "seconds": "wall-clock time, the median of the rounds; for posts the 99th percentile",
    "aim": "the most it should be",
    "of itself": "relative to a ledger with only that period, in the same round: median and "
    "quartiles",
}

_REPORTS: dict[str, tuple[dict[str, Any], tuple[float, float, float]]] = {
    "every figure, by campaign": ({"by": "campaign"}, (6, 3.5, 9)),
    "every figure, by day": ({"by": "day"}, (6, 3.5, 9)),
    "counts and failures alone, by campaign": (
        {"by": "campaign", "times": False},
        (1.5, 0.6, 4),
    ),
    "every figure of the small campaign": ({"campaign": SMALL_CAMPAIGN}, (0.1, 0.1, 0.1)),
}
"""What is asked, and the aim for each of :data:`DATABASES`, of a million messages."""

_POST_AIM = 0.05
_HISTORY_AIM = 1.3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("reports", __doc__ or "", "--messages 100000 --only sqlite")
    made.add_argument("--messages", type=positive, default=1_000_000, help="in the ledger")
    made.add_argument("--rounds", type=positive, default=3, help="of each report")
    made.add_argument("--posts", type=positive, default=400, help="while reports are made")
    made.add_argument("--only", nargs="+", choices=DATABASES, default=DATABASES)
    return made


def measure(options: Namespace) -> list[Table]:
    """Reports on each database.

    :raises NotMeasured: if there is none of them.
    """
    return on_each(
        options.only,
        lambda database: _measure(database, options),
        title=f"Reports of {options.messages:,} messages",
        text=f"Messages with every outcome, sent over {DAYS} days for 20 campaigns, one "
        "message of "
        f"{SMALL_SHARE} for the small one; {options.rounds} rounds. The aims are those for a "
        f"million messages; the history should cost at most {_HISTORY_AIM} times as much.",
        columns=_COLUMNS,
    )


def _measure(database: str, options: Namespace) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        host = stack.enter_context(_filled(database, options.messages, DAYS))
        place = DATABASES.index(database)
        rows: list[dict[str, Any]] = []
        took: dict[str, list[float]] = {what: [] for what in _REPORTS}
        for _ in each(f"Reports on {database}", range(options.rounds)):
            for what, (asked, _) in _REPORTS.items():
                took[what].append(_seconds(host.ledger.engagement, **asked))
        for what, (_, aims) in _REPORTS.items():
            rows.append(_row(database, what, median(took[what]), aims[place]))
        waits = _posts_during_reports(host, options.posts)
        rows.append(_row(database, "POST meanwhile", percentile(waits, 99), _POST_AIM))
        days = DAYS / RECENT
        recent = stack.enter_context(_filled(database, options.messages // RECENT, days))
        since = datetime.now(UTC) - timedelta(days=days)
        pairs = [
            [_seconds(one.ledger.engagement, since=since) for one in (host, recent)]
            for _ in each(f"The last days on {database}", range(options.rounds))
        ]
        whole, alone = zip(*pairs, strict=True)
        last = _row(database, f"every figure of the last {days:g} days", median(whole), None)
        return [*rows, last | {"of itself": ratio(whole, alone)}]


@contextmanager
def _filled(database: str, messages: int, days: float) -> Generator[Host]:
    """An application whose ledger has as many messages."""
    with fresh_host(database, durable) as host:
        say(f"Filling {database} with {messages:,} messages")
        fill_with_sent(host.ledger.engine, messages, days)
        yield host


def _seconds(work: Callable[..., object], *given: Any, **named: Any) -> float:
    start = perf_counter()
    work(*given, **named)
    return perf_counter() - start


def _posts_during_reports(host: Host, posts: int) -> list[float]:
    """How long posts take while another thread makes reports."""
    is_over, environs, waits = Event(), new_environs(), []
    statuses: list[str] = []

    def make_reports() -> None:
        while not is_over.is_set():
            host.ledger.engagement(by="campaign")

    thread = Thread(target=make_reports)
    thread.start()
    try:
        for _ in range(posts):
            environ = next(environs)
            waits.append(_seconds(post, host.app, environ, statuses))
    finally:
        is_over.set()
        thread.join()
    if set(statuses) != {"200 OK"}:
        raise RuntimeError(f"Posts were answered {set(statuses)}.")
    return waits


def _row(database: str, what: str, seconds: float, aim: float | None) -> dict[str, Any]:
    return {"database": database, "what": what, "seconds": seconds, "aim": aim}


if __name__ == "__main__":
    main()
