"""CPU time in short interleaved blocks: on a noisy machine only such ratios mean anything.

In each block every application gets the same requests, one application after the other; its
ratio is to the first one's time in the same block.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import quantiles
from time import process_time
from typing import Any
from wsgiref.types import WSGIApplication

from .requests import environ_of, new_bodies


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one application took.

    :param microseconds: CPU time an event, the median of the blocks.
    :param ratio: to the first application, the median of the blocks.
    :param low: the first quartile of the blocks' ratios.
    :param high: the third.
    """

    microseconds: float
    ratio: float
    low: float
    high: float


def measure(apps: Mapping[str, WSGIApplication], *, blocks: int, events: int) -> dict[str, Timing]:
    """Time *apps* in *blocks* blocks of *events* requests each, after one that does not count."""
    names = list(apps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    bodies = new_bodies()
    for block in range(-1, blocks):
        batch = list(islice(bodies, events))
        # The one after a garbage-heavy neighbour must not always be the same.
        turn = block % len(names)
        for name in names[turn:] + names[:turn]:
            took = _time(apps[name], batch)
            if block >= 0:
                seconds[name].append(took / events)
    gc.unfreeze()
    first = seconds[names[0]]
    return {name: _summary(took, first) for name, took in seconds.items()}


def _time(app: WSGIApplication, bodies: Sequence[bytes]) -> float:
    """The CPU seconds that *app* takes for *bodies*."""
    environs = [environ_of(body) for body in bodies]
    statuses: list[str] = []
    # One application's garbage, and what another keeps, is not for this one to go through.
    gc.collect(1)
    gc.freeze()
    start = process_time()
    for environ in environs:
        _call(app, environ, statuses)
    took = process_time() - start
    if len(statuses) != len(bodies) or not all(status.startswith("2") for status in statuses):
        raise RuntimeError(f"{app!r} answered {set(statuses)}.")
    return took


def _call(app: WSGIApplication, environ: dict[str, Any], statuses: list[str]) -> None:
    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        statuses.append(status)

    body = app(environ, start_response)
    try:
        for _ in body:
            pass
    finally:
        if hasattr(body, "close"):
            body.close()


def _summary(seconds: Sequence[float], first: Sequence[float]) -> Timing:
    ratios = [own / other for own, other in zip(seconds, first, strict=True)]
    low, ratio, high = _quartiles(ratios)
    return Timing(microseconds=_quartiles(seconds)[1] * 1e6, ratio=ratio, low=low, high=high)


def _quartiles(values: Sequence[float]) -> list[float]:
    return quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
