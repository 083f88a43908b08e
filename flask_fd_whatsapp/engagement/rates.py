"""Rates with their denominators and intervals, and comparisons of two rates."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

Z: Final = 1.959963984540054
"""The quantile of the normal distribution for intervals of 95 %."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, always with its denominator.

    :param numerator: the count.
    :param denominator: out of how many.
    """

    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        """The share from 0 to 1, ``None`` if the denominator is 0."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def low(self) -> float | None:
        """The lower bound of Wilson's 95 % interval; exactly 0 if the numerator is 0."""
        return self._bounds()[0]

    @property
    def high(self) -> float | None:
        """The upper bound of Wilson's 95 % interval; exactly 1 if all did."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[float, float] | tuple[None, None]:
        count, of = self.numerator, self.denominator
        if not of:
            return None, None
        share, spread = count / of, Z * Z / of
        middle = share + spread / 2
        half = Z * sqrt(share * (1 - share) / of + spread / (4 * of))
        low = 0.0 if count == 0 else (middle - half) / (1 + spread)
        high = 1.0 if count == of else (middle + half) / (1 + spread)
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "value": self.value,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of a rate between two disjoint groups.

    :param rate: the name of the rate.
    :param a: the rate of the first group.
    :param b: the rate of the second.
    """

    rate: str
    a: Rate
    b: Rate

    @property
    def difference(self) -> float | None:
        """The first minus the second, from -1 to 1; ``None`` if one has no denominator."""
        if self.a.value is None or self.b.value is None:
            return None
        return self.a.value - self.b.value

    @property
    def low(self) -> float | None:
        """The lower bound of Newcombe's 95 % interval of the difference."""
        return self._bounds()[0]

    @property
    def high(self) -> float | None:
        """The upper bound of Newcombe's 95 % interval of the difference."""
        return self._bounds()[1]

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval contains 0, so that there may be no difference."""
        low, high = self._bounds()
        return low is None or high is None or low <= 0 <= high

    def _bounds(self) -> tuple[float, float] | tuple[None, None]:
        a, low_a, high_a = self.a.value, self.a.low, self.a.high
        b, low_b, high_b = self.b.value, self.b.low, self.b.high
        if a is None or low_a is None or high_a is None:
            return None, None
        if b is None or low_b is None or high_b is None:
            return None, None
        below = sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
        above = sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
        return a - b - below, a - b + above

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "rate": self.rate,
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "may_be_chance": self.may_be_chance,
        }
