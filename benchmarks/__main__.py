"""Runs all benchmarks one after the other, and writes one page.

What a benchmark needs and is not there, the page says.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from . import backlog, growth, in_process, pages, peers, pooling, queue, reports, sockets
from .command import NotMeasured, say
from .machine import machine
from .report import Table, as_markdown

PAGE = Path(__file__).with_name("RESULTS.md")

_BUSY = 0.5

_HEAD = """# Results

Written by `make bench` on {date}, in {minutes:.0f} minutes.

Compare only numbers from the same run: the two sides of a ratio were measured alternately in short
blocks, so that other load on the machine affected both. Load averages are those before the run;
fdatasync is the time its disk takes to flush a page, the minimum for a commit."""


class Benchmark(NamedTuple):
    """A module that can be run by itself too.

    :param quick: its options for a run that only shows that it works.
    """

    parser: Callable[[], ArgumentParser]
    measure: Callable[[Namespace], list[Table]]
    quick: str


BENCHMARKS = {
    "in_process": Benchmark(in_process.parser, in_process.measure, "--events 5 --blocks 3"),
    "peers": Benchmark(peers.parser, peers.measure, "--events 5 --blocks 3"),
    "sockets": Benchmark(sockets.parser, sockets.measure, "--seconds 0.2 --blocks 2"),
    "pooling": Benchmark(pooling.parser, pooling.measure, "--events 3 --blocks 2"),
    "growth": Benchmark(growth.parser, growth.measure, "--events 1000 --blocks 3 --posts 3"),
    "reports": Benchmark(reports.parser, reports.measure, "--messages 1000 --rounds 1 --posts 3"),
    "pages": Benchmark(
        pages.parser, pages.measure, "--messages 500 --visits 1 --rate 9 --seconds 0.3"
    ),
    "backlog": Benchmark(backlog.parser, backlog.measure, "--events 40 --rounds 1"),
    "queue": Benchmark(queue.parser, queue.measure, "--events 20 --rounds 1 --seconds 0.3"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    options = _parser().parse_args(arguments)
    start, where = monotonic(), machine()
    if os.getloadavg()[0] > _BUSY:
        say("Something else is running on this machine: only ratios will mean anything.")
    tables: list[Table] = []
    missing: list[str] = []
    for name in options.only:
        benchmark = BENCHMARKS[name]
        chosen = benchmark.parser().parse_args(benchmark.quick.split() if options.quick else [])
        try:
            tables += benchmark.measure(chosen)
        except NotMeasured as error:
            missing.append(f"`benchmarks.{name}` was not measured: {error}")
            say(missing[-1])
    head = _HEAD.format(date=datetime.now(UTC).date(), minutes=(monotonic() - start) / 60)
    page = "\n\n".join([head, as_markdown(where, tables), *missing])
    options.output.write_text(f"{page}\n", encoding="utf-8")
    say(f"Written to {options.output}.")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="example:\n  python -m benchmarks --only in_process growth --output /tmp/page.md",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--output", type=Path, default=PAGE, help=f"the page, {PAGE.name} here")
    parser.add_argument("--quick", action="store_true", help="show only that all of it works")
    return parser


if __name__ == "__main__":
    main()
