"""What the benchmarks have in common as commands."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

from .machine import machine
from .report import Table, as_json, as_markdown

T = TypeVar("T")

_SECONDS_BETWEEN_LINES = 3


class NotMeasured(Exception):
    """Something that a benchmark needs is missing; the message says what, and what to do."""


def make_parser(name: str, description: str, example: str) -> ArgumentParser:
    """The parser of ``python -m benchmarks.NAME``.

    :param example: options, as one might give them.
    """
    command = f"python -m benchmarks.{name}"
    parser = ArgumentParser(
        prog=command,
        description=description,
        epilog=f"example:\n  {command} {example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not Markdown")
    return parser


def run(
    parser: ArgumentParser,
    measure: Callable[[Namespace], list[Table]],
    arguments: Sequence[str] | None,
) -> list[Table]:
    """Measure, print and return the results; exit with 1 if that is impossible."""
    options = parser.parse_args(arguments)
    where = machine()
    try:
        tables = measure(options)
    except NotMeasured as error:
        sys.exit(f"Not measured: {error}")
    print((as_json if options.json else as_markdown)(where, tables))
    return tables


def positive(text: str) -> int:
    """A number for an option."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("has to be 1 or more")
    return number


def seconds(text: str) -> float:
    """A duration for an option."""
    number = float(text)
    if not 0 < number < 3600:
        raise ArgumentTypeError("has to be more than 0 and less than 3600 seconds")
    return number


def say(text: str) -> None:
    """Print what is being done, to standard error."""
    print(text, file=sys.stderr, flush=True)


def each(title: str, steps: Sequence[T]) -> Iterator[T]:
    """The *steps*, while telling every few seconds how many are done."""
    say(title)
    told = monotonic()
    for number, step in enumerate(steps):
        if monotonic() - told > _SECONDS_BETWEEN_LINES:
            told = monotonic()
            say(f"{title}: {number} of {len(steps)}")
        yield step
