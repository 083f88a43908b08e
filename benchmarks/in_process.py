"""CPU time an event in one process, the WSGI applications called directly.

``python -m benchmarks.in_process [--events N] [--blocks N] [--only NAME ...] [--json]``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from .report import as_json, as_markdown
from .timing import measure
from .variants import VARIANTS


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    options = _parser().parse_args(arguments)
    names = [name for i, name in enumerate(VARIANTS) if i == 0 or name in options.only]
    with TemporaryDirectory() as directory:
        apps = {name: VARIANTS[name](Path(directory)) for name in names}
        timings = measure(apps, blocks=options.blocks, events=options.events)
    if options.json:
        print(as_json(timings))
    else:
        descriptions = {name: VARIANTS[name].__doc__ or "" for name in names}
        print(as_markdown(timings, descriptions))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.in_process")
    parser.add_argument("--events", type=_positive, default=100, help="events in a block")
    parser.add_argument("--blocks", type=_positive, default=100, help="blocks of each variant")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(VARIANTS),
        default=list(VARIANTS),
        help="the variants to measure; the first is always among them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not Markdown")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


if __name__ == "__main__":
    main()
