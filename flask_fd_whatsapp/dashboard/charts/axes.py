"""Positions in a chart: x in per cent of the plot, y in pixels."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Final

Chart = dict[str, Any]
"""What a macro of ``charts.html`` draws."""

LEAST: Final = 1.5
"""The minimum height in pixels of a value above 0."""


def across(share: float) -> str:
    """A share of the width, such as ``12.5%``."""
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{'0' if text in ('-0', '') else text}%"


def pixels(value: float) -> float:
    """Round to a tenth of a pixel."""
    return round(value, 1)


def step_to(top: float, *, want: int = 4, whole: bool = True) -> float:
    """The step of an axis: 1, 2 or 5 times a power of ten, of which about *want* reach *top*."""
    raw = max(top, 1 if whole else 1e-9) / want
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return float(max(step, 1) if whole else step)


def steps(first: float, last: float, step: float) -> list[float]:
    """From *first* to *last*, both included."""
    return [first + step * place for place in range(round((last - first) / step) + 1)]


def segment(kind: str, y: float, height: float) -> Chart:
    """A part of a bar, from *y* down."""
    return {"kind": kind, "y": pixels(y), "h": pixels(height)}


def label(text: str, y: float, style: str = "") -> Chart:
    """A text in the middle of a bar.

    :param style: classes: ``plain``, ``k2`` or ``k3`` if it is dropped for lack of space.
    """
    return {"text": text, "y": pixels(y), "style": f" {style}" if style else ""}


def share_of_axis(span: timedelta, bounds: tuple[timedelta, ...]) -> float:
    """Return the position of a duration on an axis of equal bands, each logarithmic in itself."""
    seconds = max(span.total_seconds(), 0.001)
    edges = [5.0, *(bound.total_seconds() for bound in bounds), 90 * 86400.0]
    for place in range(len(edges) - 1):
        low, high = edges[place], edges[place + 1]
        if seconds <= high:
            inside = (math.log(max(seconds, low)) - math.log(low)) / (
                math.log(high) - math.log(low)
            )
            return (place + 0.1 + 0.8 * inside) / (len(edges) - 1)
    return 1.0
