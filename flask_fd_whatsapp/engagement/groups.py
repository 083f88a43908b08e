"""The groups of a report: by campaign, day, hour, account, template, failure, or a pair of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DIMENSIONS: Final = ("campaign", "day", "hour", "account", "template", "failure")

_QUARTER: Final = timedelta(minutes=15)


def zone_of(name: str) -> tzinfo:
    """The time zone of that name.

    :raises ValueError: if there is none, or none is known here.
    """
    if name == "UTC":  # which needs no time zone database
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no time zone known here: write one such as Europe/Berlin or UTC (where "
            "the system has none, `pip install tzdata` brings them)."
        ) from None


def dimensions_of(by: str | Sequence[str] | None) -> tuple[str, ...]:
    """What a report is grouped by.

    :raises ValueError: if that is none of the dimensions, or more than two.
    """
    given = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    known = all(one in DIMENSIONS for one in given)
    if not known or len(given) > 2 or len(set(given)) < len(given):
        raise ValueError(
            f"by={by!r}: reports go by one of {', '.join(DIMENSIONS)}, or by a pair of them, such "
            'as ("day", "failure").'
        )
    return given


class Span(NamedTuple):
    """A day or an hour of a zone: from :attr:`start` until before :attr:`end`, both UTC."""

    start: datetime
    end: datetime
    key: date | datetime


class Calendar:
    """In which day or hour of a time zone a moment lies.

    :param unit: ``day`` or ``hour``.  An hour is known by an aware ``datetime`` with a fixed
        offset, so that the two 01:00 of autumn stay apart.
    """

    def __init__(self, unit: str, zone: tzinfo) -> None:
        self._zone = zone
        self._span_of = self._day_of if unit == "day" else self._hour_of
        self._starts: list[datetime] = []
        self._spans: list[Span] = []

    def span_of(self, moment: datetime) -> Span:
        """The day or hour in which *moment* (aware) lies."""
        place = bisect_right(self._starts, moment) - 1
        if place >= 0 and moment < self._spans[place].end:
            return self._spans[place]
        try:
            span = self._span_of(moment)
        except OverflowError:  # on the first or last days of Python's calendar
            span = Span(moment, moment + timedelta.resolution, moment.astimezone(UTC).date())
        self._starts.insert(place + 1, span.start)
        self._spans.insert(place + 1, span)
        return span

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)

    def _day_of(self, moment: datetime) -> Span:
        day = moment.astimezone(self._zone).date()
        one = timedelta(days=1)
        while moment < self._midnight(day):  # where a clock set back repeats the day before
            day -= one
        while moment >= self._midnight(day + one):
            day += one
        return Span(self._midnight(day), self._midnight(day + one), day)

    def _hour_key(self, moment: datetime) -> datetime:
        local = moment.astimezone(self._zone)
        offset = local.utcoffset() or timedelta()
        return local.replace(minute=0, second=0, microsecond=0, tzinfo=timezone(offset), fold=0)

    def _hour_of(self, moment: datetime) -> Span:
        key = self._hour_key(moment)
        # Clocks are set at quarters of an hour, save long ago: there each second is told apart.
        offset = key.utcoffset() or timedelta()
        step = timedelta(seconds=1) if offset % _QUARTER else _QUARTER
        start = moment - (moment - datetime.min.replace(tzinfo=UTC)) % step
        end = start + step
        if step is _QUARTER:
            while self._hour_key(start - step) == key:
                start -= step
            while self._hour_key(end) == key:
                end += step
        return Span(start, end, key)


def midpoint(day: date, zone: tzinfo) -> datetime:
    """The middle of a day of a zone (UTC), by which what is pruned counts."""
    span = Calendar("day", zone).span_of(datetime.combine(day, time(12), zone).astimezone(UTC))
    return span.start + (span.end - span.start) / 2
