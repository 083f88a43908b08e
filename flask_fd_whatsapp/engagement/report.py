"""Builds a report from messages' rows and from the aggregates of pruned messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

from ..failure_reasons import FailureClass
from ..time_zones import zone_of
from .accumulator import Accumulator
from .facts import DATETIMES, TimeFormat
from .folding import FoldKey, from_text
from .groups import Calendar, dimensions_of
from .report_filter import ReportFilter
from .results import Engagement
from .tally import Tally

TIMELY: Final = ("day", "hour")
"""The dimensions whose groups have a natural order."""


@dataclass(slots=True)
class ReportRules:
    """The settings of a ledger's receivers that concern reports.

    :param time_zone: the zone of the days of pruned messages: the first receiver's.
    :param failure_classes: the host's own classes of error codes, of all receivers.
    :param aggregate_years: how long the aggregates of pruned messages are kept: the maximum.
    """

    time_zone: str | None = None
    failure_classes: Mapping[str, FailureClass] = field(default_factory=dict)
    aggregate_years: int = 1

    def adopt(
        self, time_zone: str, failure_classes: Mapping[str, FailureClass], aggregate_years: int
    ) -> None:
        """Add a receiver's settings."""
        self.time_zone = self.time_zone or time_zone
        self.failure_classes = {**failure_classes, **self.failure_classes}
        self.aggregate_years = max(self.aggregate_years, aggregate_years)

    @property
    def zone(self) -> tzinfo:
        """The time zone of the days of pruned messages."""
        return zone_of(self.time_zone or "UTC")


class Report:
    """The query, and what has been counted so far.

    :param by: one or two dimensions, or ``None``.
    :param tz: the name of the time zone of days and hours.
    :param as_of: the moment at which messages' ages are computed (UTC).
    :param format: the ledger's format of times.
    :raises ValueError: for an unknown dimension or time zone.
    """

    def __init__(
        self,
        wanted: ReportFilter,
        *,
        by: str | Sequence[str] | None,
        tz: str,
        times: bool,
        as_of: datetime,
        rules: ReportRules,
        format: TimeFormat = DATETIMES,  # noqa: A002 - the word for it
    ) -> None:
        self.wanted = wanted
        self.by = dimensions_of(by)
        self.times = times
        self.as_of = as_of
        self.format = format
        self._tz = tz
        self.zone = zone_of(tz)
        self._calendar = Calendar("day", self.zone)
        self.counted = Accumulator(
            by=self.by,
            zone=self.zone,
            as_of=as_of,
            times=times,
            own_classes=rules.failure_classes,
            format=format,
        )
        self._days: set[date] = set()
        self._not_by_hour = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Count messages' rows, each in the order of :class:`.Facts`."""
        self.counted.add(rows)

    def add_folded(self, key: FoldKey, counts: str, figures: str | None) -> None:
        """Count the aggregates of pruned messages that the query includes."""
        admitted = self.wanted.admits_moment(key.midpoint) and self.wanted.admits(
            account_id=key.account,
            receiver=key.receiver or None,
            campaign=key.campaign or None,
            template=key.template or None,
        )
        if not admitted:
            return
        tally = from_text(
            key,
            counts,
            figures if self.times else None,
            time_format=self.format,
            reason_of=self.counted.reason_of,
            as_of=self.as_of,
        )
        if "hour" in self.by:
            self._not_by_hour += tally.folded
            return
        day = self._calendar.span_of(key.midpoint).key
        self._days.add(day)
        group: dict[str, Any] = {
            "campaign": key.campaign or None,
            "day": day,
            "account": key.account,
            "template": key.template or None,
            "failure": next(iter(tally.failures), None),
        }
        keys = tuple(group[one] for one in self.by)
        self.counted.tally(keys if len(keys) > 1 else keys[0] if keys else None).merge(tally)

    def result(self) -> Engagement:
        """Return the figures."""
        total = Tally(times=self.times)
        for tally in self.counted.groups.values():
            total.merge(tally)
        read = self.format.read
        groups = {key: tally.figures(read) for key, tally in self.counted.groups.items()}
        ordered = sorted(groups.items(), key=lambda one: self._place(one[0], one[1].known))
        return Engagement(
            as_of=self.as_of,
            since=self.wanted.since,
            until=self.wanted.until,
            by=self.by,
            tz=self._tz,
            total=total.figures(read),
            groups=MappingProxyType(dict(ordered) if self.by else {}),
            folded_days=tuple(sorted(self._days)),
            not_by_hour=self._not_by_hour,
        )

    def _place(self, key: Any, known: int) -> tuple[Any, ...]:
        """Sort days and hours chronologically, other groups by their number of messages."""
        keys = key if len(self.by) > 1 else (key,)
        in_time = [one for name, one in zip(self.by, keys, strict=False) if name in TIMELY]
        return *in_time, -known, *map(str, keys)
