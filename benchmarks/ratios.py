"""Paired ratios: the measurements of a noisy machine that can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The median of the blocks' ratios, and their quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(own: Sequence[float], other: Sequence[float]) -> Ratio:
    """*own* to *other*, block by block: each pair was measured right after each other."""
    ratios = [one / two for one, two in zip(own, other, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Ratio(median=median(ratios), low=low, high=high)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that *percent* of all do not exceed."""
    if len(values) < 2:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]
