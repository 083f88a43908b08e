"""Figures, rates, times and durations as text for the pages."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final, Protocol

NOTHING: Final = "–"


class Share(Protocol):
    """A rate with its denominator and interval."""

    @property
    def numerator(self) -> int:
        """The count."""
        ...

    @property
    def denominator(self) -> int:
        """Out of how many."""
        ...

    @property
    def value(self) -> float | None:
        """The share, ``None`` without a denominator."""
        ...

    @property
    def low(self) -> float | None:
        """The lower bound of its interval."""
        ...

    @property
    def high(self) -> float | None:
        """The upper bound of its interval."""
        ...


def number(value: int | None) -> str:
    """``9,448``."""
    return NOTHING if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """One decimal; 0% and 100% only if exact."""
    if value is None:
        return NOTHING
    if value in (0, 1):
        return f"{value:.0%}"
    if value < 0.001:
        return "<0.1%"
    if value > 0.999:
        return ">99.9%"
    return f"{value:.1%}"


def rate(share: Share | None) -> str:
    """The value of *share*, as by :func:`percent`."""
    return percent(None if share is None else share.value)


def interval(share: Share) -> str:
    """``95.8–96.9%``."""
    if share.low is None or share.high is None:
        return NOTHING
    return f"{_bound(share.low)}–{_bound(share.high)}%"


def _bound(value: float) -> str:
    return f"{value * 100:.0f}" if value in (0, 1) else f"{value * 100:.1f}"


def points(value: float) -> str:
    """A difference of rates in percentage points: ``+5.2``; two decimals if one would be 0.0."""
    decimals = 2 if 0 < abs(value) < 0.0005 else 1
    return f"{value * 100:+.{decimals}f}".replace("-", "−")


def length(span: timedelta | float | None) -> str:
    """``2.3 s``, ``39 s``, ``23 min``, ``3 h 17 min``, ``1 d 5 h``."""
    if span is None:
        return NOTHING
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    sign, seconds = ("−", -seconds) if seconds < 0 else ("", seconds)
    return sign + _length(seconds)


def _length(seconds: float) -> str:
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 3570:
        return f"{seconds / 60:.0f} min"
    if seconds < 86370:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{number(days)} d {hours} h" if hours else f"{number(days)} d"


def day(moment: date) -> str:
    """``Mon 16 Mar``."""
    return f"{moment:%a} {moment.day} {moment:%b}"


def clock(moment: datetime, now: datetime) -> str:
    """``14:40:31`` today, ``16 Mar 14:40:31`` this year, else with the year; in its zone."""
    time = f"{moment:%H:%M:%S}"
    if moment.date() == now.date():
        return f"today {time}"
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {moment:%b}{year} {time}"


def short_date(moment: date, now: date) -> str:
    """``16 Mar``, with the year if it is not *now*'s."""
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {moment:%b}{year}"


def days_between(first: date, last: date) -> str:
    """``13 to 19 Mar 2026``, or a single day if both are the same."""
    end = f"{last.day} {last:%b} {last.year}"
    if first == last:
        return end
    begin = str(first.day)
    if (first.year, first.month) != (last.year, last.month):
        begin += f" {first:%b}"
    if first.year != last.year:
        begin += f" {first.year}"
    return f"{begin} to {end}"


def counted(count: int, thing: str, things: str | None = None) -> str:
    """``1 event``, ``9,448 events``."""
    return f"{number(count)} {thing if count == 1 else things or thing + 's'}"


def roughly(span: timedelta | None) -> str:
    """``8 s``, ``23 min``, ``3 h``, ``5 d``: only the largest unit."""
    if span is None:
        return NOTHING
    seconds = max(span.total_seconds(), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{number(int(seconds // size))} {unit}"
    return f"{int(seconds)} s"


def text_of(value: Any) -> str:
    """A setting's value as text."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text_of(one)}" for key, one in value.items())
    if isinstance(value, (frozenset, set, tuple, list)):
        return ", ".join(sorted(map(str, value))) or NOTHING
    return str(value)
