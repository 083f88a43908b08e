"""The groups of a report: campaign, day, hour, account, template, failure, or a pair of these."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

DIMENSIONS: Final = ("campaign", "day", "hour", "account", "template", "failure")

_QUARTER: Final = timedelta(minutes=15)


def dimensions_of(by: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the dimensions of a report.

    :raises ValueError: for unknown dimensions, or more than two.
    """
    given = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    known = all(one in DIMENSIONS for one in given)
    if not known or len(given) > 2 or len(set(given)) < len(given):
        raise ValueError(
            f"by={by!r}: reports are grouped by one of {', '.join(DIMENSIONS)}, or by a pair of "
            'them, such as ("day", "failure").'
        )
    return given


def local_time(moment: datetime, zone: tzinfo) -> datetime:
    """Return *moment* (aware) in *zone*, or in UTC where the year would be 0 or 10000 there."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


class Span(NamedTuple):
    """A day or an hour in a time zone: :attr:`start` inclusive, :attr:`end` exclusive, both UTC."""

    start: datetime
    end: datetime
    key: date | datetime


class Calendar:
    """Finds the day or hour of a time zone that contains a moment.

    :param unit: ``day`` or ``hour``. An hour is an aware ``datetime`` with a fixed offset, so that
        the two 01:00 of autumn are distinct.
    """

    def __init__(self, unit: str, zone: tzinfo) -> None:
        self._zone = zone
        self._unit = unit
        self._span_of = self._day_of if unit == "day" else self._hour_of
        self._starts: list[datetime] = []
        self._spans: list[Span] = []

    def span_of(self, moment: datetime) -> Span:
        """Return the day or hour that contains *moment* (aware)."""
        place = bisect_right(self._starts, moment) - 1
        if place >= 0 and moment < self._spans[place].end:
            return self._spans[place]
        try:
            span = self._span_of(moment)
        except OverflowError:  # on the first or last days of Python's calendar
            span = self._at_its_end(moment.astimezone(UTC))
        self._starts.insert(place + 1, span.start)
        self._spans.insert(place + 1, span)
        return span

    def _at_its_end(self, moment: datetime) -> Span:
        """Return the day or hour in UTC, where the zone's is not entirely within Python's
        calendar."""
        hour = moment.replace(minute=0, second=0, microsecond=0)
        start = hour if self._unit == "hour" else hour.replace(hour=0)
        length = timedelta(hours=1) if self._unit == "hour" else timedelta(days=1)
        last = datetime.max.replace(tzinfo=UTC)
        end = start + length if last - start >= length else last
        return Span(start, end, start if self._unit == "hour" else start.date())

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)

    def _day_of(self, moment: datetime) -> Span:
        day = moment.astimezone(self._zone).date()
        one = timedelta(days=1)
        while moment < self._midnight(
            day
        ):  # where a clock that is set back repeats the previous day
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
        # Offsets are multiples of a quarter of an hour, except long ago: there each second is
        # separate.
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
    """Return the middle of a day of a zone (UTC), at which pruned messages count."""
    span = Calendar("day", zone).span_of(datetime.combine(day, time(12), zone).astimezone(UTC))
    return span.start + (span.end - span.start) / 2
