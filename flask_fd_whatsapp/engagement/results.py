"""The results of ``engagement()`` and ``feed()``: figures, with the query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from .figures import Figures, as_json, fields_of

NO_GROUPS: Final[Mapping[Any, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """The figures for the messages sent in a period.

    :param as_of: when the report was made (UTC).
    :param since: sent at or after this, ``None``: from the first.
    :param until: sent before this, ``None``: to the last.
    :param by: the dimensions of :attr:`groups`: none, or one or two of ``campaign day hour account
        template failure``.
    :param tz: the time zone of days and hours.
    :param total: the figures for all messages.
    :param groups: the figures by group; the groups partition :attr:`total`. A key is a text
        (``None`` for those without), a ``date``, an aware ``datetime``, ``(class, code)``, or a
        pair of these.
    :param folded_days: the days of pruned messages that are included, by their midpoint.
    :param not_by_hour: how many pruned messages are excluded, since their hour is unknown.
    """

    as_of: datetime
    since: datetime | None
    until: datetime | None
    by: tuple[str, ...]
    tz: str
    total: Figures
    groups: Mapping[Any, Figures] = field(default_factory=lambda: NO_GROUPS)
    folded_days: tuple[date, ...] = ()
    not_by_hour: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON; ``groups`` is a list, each with its ``group``."""
        return {
            "as_of": as_json(self.as_of),
            "since": as_json(self.since),
            "until": as_json(self.until),
            "by": list(self.by),
            "tz": self.tz,
            "folded_days": as_json(self.folded_days),
            "not_by_hour": self.not_by_hour,
            "total": self.total.to_dict(),
            "groups": [
                {"group": as_json(key), **figures.to_dict()} for key, figures in self.groups.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How webhooks arrived in a period, by when they were received.

    :param events: how many events were recorded.
    :param lag_p50: half were received within this time after their status was reached.
    :param lag_p99: 99 of 100 were received within this time.
    :param out_of_order: how many did not move their message forward, since it was already further.
    :param duplicates: how many duplicates arrived; counted in each process and written every 10
        seconds, by hour: an hour counts if it begins in the period.
    """

    since: datetime
    until: datetime | None
    receiver: str | None
    events: int
    lag_p50: timedelta | None
    lag_p99: timedelta | None
    out_of_order: int
    duplicates: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return fields_of(self)
