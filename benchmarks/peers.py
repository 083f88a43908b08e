"""CPU time per event of other packages' webhooks, relative to the same bare route."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from .command import make_parser, positive, run, say
from .peer_apps import PEERS
from .report import Table
from .timing import Subject, of_samples
from .timing import measure as measure_subjects
from .variants import VARIANTS

_OURS = ("bare", "memory")
_INSTALL = "pip install -r benchmarks/requirements.txt"

_COLUMNS = {
    "package": "whose webhook took the POST",
    "µs": "CPU time per event, the median of the blocks",
    "of bare": "relative to the bare route in the same block: median and quartiles",
    "what it does": "with the event, before one handler is called",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("peers", __doc__ or "", "--blocks 20")
    made.add_argument("--events", type=positive, default=100, help="events in a block")
    made.add_argument("--blocks", type=positive, default=100, help="blocks of each package")
    return made


def measure(options: Namespace) -> list[Table]:
    """The installed packages, compared with the bare route and this package."""
    calls: Counter[str] = Counter()
    notes = []
    with TemporaryDirectory() as directory:
        subjects = {name: of_samples(VARIANTS[name](Path(directory))) for name in _OURS}
    for name, make in PEERS.items():
        try:
            subjects[name] = make(partial(calls.update, [name]))
        except ImportError:
            notes.append(f"{name}: not measured, since it is not installed: {_INSTALL}")
            say(notes[-1])
    timings = measure_subjects(subjects, blocks=options.blocks, events=options.events)
    _require_calls(subjects, calls, (options.blocks + 1) * options.events)
    rows = [
        {
            "package": name,
            "µs": timing.microseconds,
            "of bare": timing.ratio_to(timings[_OURS[0]]),
            "what it does": (VARIANTS.get(name) or PEERS[name]).__doc__,
        }
        for name, timing in timings.items()
    ]
    return [
        Table(
            title="Other packages",
            text=f"{options.blocks} interleaved blocks of {options.events} events; each package "
            "gets its own vendor's kind of requests, of about the same size, and stores "
            "nothing.",
            columns=_COLUMNS,
            rows=rows,
            notes=notes,
        )
    ]


def _require_calls(subjects: dict[str, Subject], calls: Counter[str], expected: int) -> None:
    """Fail if an event did not reach a handler: it would not have been measured."""
    for name in subjects.keys() & PEERS.keys():
        if calls[name] != expected:
            raise RuntimeError(f"{name} called its handler {calls[name]} times, not {expected}.")


if __name__ == "__main__":
    main()
