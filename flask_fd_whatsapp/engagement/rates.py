"""Rates with their denominators and intervals, and whether two of them differ."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

Z: Final = 1.959963984540054
"""Of the normal distribution, for intervals of 95 %."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, which is said with its denominator.

    :param numerator: how many did.
    :param denominator: of how many.
    """

    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        """The share from 0 to 1, ``None`` of nothing."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def low(self) -> float | None:
        """Where Wilson's 95 % interval begins; exactly 0 if none did."""
        return self._bounds()[0]

    @property
    def high(self) -> float | None:
        """Where Wilson's 95 % interval ends; exactly 1 if all did."""
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
        """As JSON has it."""
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "value": self.value,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much a rate of one group is above that of another, which shares no message with it.

    :param rate: which rate it is.
    :param a: that of the first group.
    :param b: that of the second.
    """

    rate: str
    a: Rate
    b: Rate

    @property
    def difference(self) -> float | None:
        """The first less the second, from -1 to 1; ``None`` if there is nothing in one of them."""
        if self.a.value is None or self.b.value is None:
            return None
        return self.a.value - self.b.value

    @property
    def low(self) -> float | None:
        """Where Newcombe's 95 % interval of the difference begins."""
        return self._bounds()[0]

    @property
    def high(self) -> float | None:
        """Where Newcombe's 95 % interval of the difference ends."""
        return self._bounds()[1]

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval holds 0, so that the groups may not differ at all."""
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
        """As JSON has it."""
        return {
            "rate": self.rate,
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "may_be_chance": self.may_be_chance,
        }
