"""Compares two groups of messages, and says whether the difference may be chance."""

from __future__ import annotations

from datetime import timedelta

from .definitions import AGES, RATES
from .figures import Figures
from .rates import Comparison, Rate

CURVES = {"delivery_rate": "delivered", "read_rate": "read"}


def compare(a: Figures, b: Figures, rate: str, age: timedelta | None = None) -> Comparison:
    """Return the difference of a rate between two disjoint groups, with its 95 % interval.

    :param rate: ``delivery_rate``, ``of_settled``, ``read_rate``, ``failure_rate`` or
        ``submission_rate``.
    :param age: one of the curve's ages: then only messages at least that old count, each with its
        state at that age, out of all that were submitted, so that a younger campaign is not at a
        disadvantage. For ``delivery_rate`` and ``read_rate``.
    :raises ValueError: for an unknown rate or age, or figures computed without times.
    """
    if rate not in RATES:
        raise ValueError(f"{rate!r} is not a rate: the rates are {', '.join(RATES)}.")
    if age is None:
        return Comparison(rate, getattr(a, rate), getattr(b, rate))
    if rate not in CURVES:
        raise ValueError(f"{rate!r} has no curve: with an age, compare {' or '.join(CURVES)}.")
    return Comparison(rate, _at(a, CURVES[rate], age), _at(b, CURVES[rate], age))


def _at(figures: Figures, curve: str, age: timedelta) -> Rate:
    if figures.curve is None:
        raise ValueError("These figures have no curve: ask for them with times=True.")
    for point in figures.curve:
        if point.age == age:
            rate: Rate = getattr(point, curve)
            return rate
    ages = ", ".join(map(str, AGES))
    raise ValueError(f"The curve has no point at {age}: its ages are {ages}.")
