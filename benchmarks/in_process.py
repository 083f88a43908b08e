"""CPU time per event in one process, calling the WSGI applications directly."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from .command import make_parser, positive, run
from .report import Table
from .timing import measure as measure_subjects
from .timing import of_samples
from .variants import VARIANTS

AIMS = {"memory": 1.5}
"""At most so many times of the bare route."""

COMPARED = (("memory", "naive", 0.75), ("sqlite", "floor", 1.25), ("otel", "memory", 1.03))
"""At most so many times of another: what one would write first, by hand, or without it."""

_COLUMNS = {
    "variant": "what took the POST",
    "µs": "CPU time per event, the median of the blocks",
    "of bare": "relative to the bare route in the same block: median and quartiles",
    "aim": "the most it should be",
    "what it is": "and what it does with the event",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("in_process", __doc__ or "", "--blocks 20 --only memory sqlite")
    made.add_argument("--events", type=positive, default=100, help="events in a block")
    made.add_argument("--blocks", type=positive, default=100, help="blocks of each variant")
    made.add_argument(
        "--only",
        nargs="+",
        choices=list(VARIANTS),
        default=list(VARIANTS),
        help="the variants to measure; the first is always among them",
    )
    return made


def measure(options: Namespace) -> list[Table]:
    """The variants, side by side."""
    names = [name for i, name in enumerate(VARIANTS) if i == 0 or name in options.only]
    with TemporaryDirectory() as directory:
        subjects = {name: of_samples(VARIANTS[name](Path(directory))) for name in names}
        timings = measure_subjects(subjects, blocks=options.blocks, events=options.events)
    rows = [
        {
            "variant": name,
            "µs": timing.microseconds,
            "of bare": timing.ratio_to(timings[names[0]]),
            "aim": AIMS.get(name),
            "what it is": VARIANTS[name].__doc__,
        }
        for name, timing in timings.items()
    ]
    notes = [
        f"{name} takes {timings[name].ratio_to(timings[other])} times of {other}; "
        f"the aim is {aim} at most."
        for name, other, aim in COMPARED
        if {name, other} <= set(names)
    ]
    return [
        Table(
            title="In one process",
            text=f"{options.blocks} interleaved blocks of {options.events} events; every event is "
            "about a different message, with the vendor's five samples in turn.",
            columns=_COLUMNS,
            rows=rows,
            notes=notes,
        )
    ]


if __name__ == "__main__":
    main()
