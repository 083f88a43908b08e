"""Measures in short interleaved blocks: on a noisy machine, only such ratios mean anything.

In each block every application gets as many requests, one application after the other, so that
its time can be compared with another's in the same block.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from time import process_time
from typing import Any
from wsgiref.types import WSGIApplication

from .command import each
from .ratios import Ratio, ratio
from .requests import new_environs

Environ = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """An application, and the WSGI environs of what it is to be sent, each of which serves once."""

    app: WSGIApplication
    environs: Iterator[Environ]


@dataclass(frozen=True)
class Timing:
    """The seconds that one application took for an event, block by block."""

    seconds: Sequence[float]

    @property
    def microseconds(self) -> float:
        """The median of the blocks."""
        return median(self.seconds) * 1e6

    def ratio_to(self, other: Timing) -> Ratio:
        """How many times as long it took as *other*."""
        return ratio(self.seconds, other.seconds)


def of_samples(app: WSGIApplication) -> Subject:
    """*app* with requests of its own, the same as those of all others."""
    return Subject(app, new_environs())


def measure(
    subjects: Mapping[str, Subject],
    *,
    blocks: int,
    events: int,
    clock: Callable[[], float] = process_time,
) -> dict[str, Timing]:
    """Time *subjects* in *blocks* blocks of *events* requests each, after one that does not count.

    :param clock: CPU time of this process, unless waiting has to count too.
    """
    names = list(subjects)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for block in each(f"Blocks of {', '.join(names)}", range(-1, blocks)):
        # Rotate, so that not always the same one follows a garbage-heavy neighbour.
        turn = block % len(names)
        for name in names[turn:] + names[:turn]:
            took = _time(subjects[name], events, clock)
            if block >= 0:
                seconds[name].append(took / events)
    gc.unfreeze()
    return {name: Timing(taken) for name, taken in seconds.items()}


def post(app: WSGIApplication, environ: Environ, statuses: list[str]) -> None:
    """Call *app* as a server does, and add the status it answers with."""

    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        statuses.append(status)

    body = app(environ, start_response)
    try:
        for _ in body:
            pass
    finally:
        if hasattr(body, "close"):
            body.close()


def _time(subject: Subject, events: int, clock: Callable[[], float]) -> float:
    """The seconds that *subject* takes for the next *events* requests."""
    app, environs = subject.app, list(islice(subject.environs, events))
    statuses: list[str] = []
    # So that one application does not collect another's garbage.
    gc.collect(1)
    gc.freeze()
    start = clock()
    for environ in environs:
        post(app, environ, statuses)
    took = clock() - start
    if len(statuses) != events or not all(status.startswith("2") for status in statuses):
        raise RuntimeError(f"{app!r} answered {set(statuses)}.")
    return took
