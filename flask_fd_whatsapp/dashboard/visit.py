"""What a request to the pages selects: receiver, account, period, and filters in its URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, TypeVar

from flask import abort, current_app, request, url_for

from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..receiving.receiver import Receiver
from .links_out import LinksOut
from .shared_results import SharedResults
from .wordings import days_between

T = TypeVar("T")

PERIODS: Final = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
"""The periods to choose from, in days."""

PERIOD_LABELS: Final = {"today": "Today", "7d": "7 days", "30d": "30 days", "90d": "90 days"}

DEFAULT_PERIOD: Final = "7d"

LONGEST: Final = 1000
"""The maximum length of a filter's value; ids have 255 characters at most."""

_DAYS: Final = re.compile(r"([1-9]\d{0,3})d")

KEPT: Final = ("receiver", "account", "since", "until")
"""The arguments that links between pages keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The host's options: see :class:`Dashboard`."""

    title: str
    zone: tzinfo
    zone_name: str
    links: LinksOut
    show_actors: bool
    show_payloads: bool
    receiver: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days, by when messages were sent.

    :param name: one of :data:`PERIODS`, ``None`` for dates.
    :param since: inclusive (aware).
    :param until: exclusive; ``None`` if it is open-ended.
    """

    name: str | None
    first: date
    last: date
    since: datetime
    until: datetime | None

    @property
    def days(self) -> int:
        """Its number of days."""
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        return days_between(self.first, self.last)


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request to the pages.

    :param deadline: when it stops waiting for results that others are computing.
    :param receivers: those that may be shown, by name.
    :param receiver: the one shown; ``None``: all, which share a ledger.
    :param notes: what could not be done as requested.
    """

    options: Options
    results: SharedResults
    deadline: float
    now: datetime
    receivers: Mapping[str, Receiver]
    receiver: str | None
    account: str | None
    period: Period
    notes: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, options: Options, results: SharedResults) -> Visit:
        """Return the visit of the current request."""
        known: Mapping[str, Receiver] = current_app.extensions.get(EXTENSION, {})
        notes: list[str] = []
        if options.receiver is not None:
            known = {name: one for name, one in known.items() if name == options.receiver}
        if not known:
            abort(503, _no_receiver(options.receiver))
        name: str | None = options.receiver or argument("receiver")
        if name is not None and name not in known:
            notes.append(f"There is no receiver “{name}”.")
            name = None
        if name is None and len({id(one.ledger) for one in known.values()}) > 1:
            name = next(iter(known))  # figures of several ledgers are never added up
        now = datetime.now(UTC)
        return cls(
            options=options,
            results=results,
            deadline=results.deadline(),
            now=now,
            receivers=known,
            receiver=name,
            account=argument("account"),
            period=_period(now.astimezone(options.zone), notes),
            notes=notes,
        )

    @property
    def chosen(self) -> Receiver:
        """The receiver shown, or the first of all."""
        return self.receivers[self.receiver or next(iter(self.receivers))]

    @property
    def shown(self) -> list[Receiver]:
        """The receivers shown."""
        return [self.receivers[self.receiver]] if self.receiver else list(self.receivers.values())

    @property
    def ledger(self) -> Ledger:
        """The ledger of the receivers shown."""
        return self.chosen.ledger

    @property
    def can_choose_all(self) -> bool:
        """Whether all receivers can be shown together."""
        return len({id(one.ledger) for one in self.receivers.values()}) == 1

    @property
    def narrowed(self) -> str | None:
        """The receiver to query the ledger for: ``None`` if it has no other's messages."""
        return self.receiver if len(self.receivers) > 1 or self.options.receiver else None

    def shared(
        self,
        key: Hashable,
        compute: Callable[[], T],
        *,
        seconds: float | Callable[[T], float] | None = None,
    ) -> T:
        """What *compute* returns, or has returned within the last minute.

        :param seconds: instead of a minute; may depend on the result.
        :raises StillComputing: if another request takes too long to compute it.
        """
        whole_key = (id(self.ledger), key)
        return self.results.get(whole_key, compute, deadline=self.deadline, seconds=seconds)

    def given(self, name: str) -> str | None:
        """A filter as in the URL."""
        return argument(name)

    def link(self, endpoint: str, /, **values: Any) -> str:
        """The URL of a page, with the receiver, account and period of this one."""
        kept = {name: request.args.get(name) for name in KEPT}
        given = {**kept, **values}
        return url_for(f".{endpoint}", **{key: one for key, one in given.items() if one})

    def same(self, **changes: Any) -> str:
        """The URL of this page with other filters; one that is ``None`` is dropped."""
        given = {**request.args.to_dict(), **changes}
        endpoint = str(request.endpoint).rpartition(".")[2]
        return url_for(f".{endpoint}", **{key: one for key, one in given.items() if one})


def argument(name: str) -> str | None:
    """A filter of the URL, ``None`` if it is missing or blank."""
    return request.args.get(name, "")[:LONGEST].strip() or None


def date_argument(name: str, notes: list[str]) -> date | None:
    """A filter that is a date; with a note if it is not one."""
    text = argument(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        notes.append(f"“{text}” is not a date like 2026-03-16, and was ignored.")
        return None


def start_of(moment: date, zone: tzinfo) -> datetime:
    """When a day begins."""
    return datetime(moment.year, moment.month, moment.day, tzinfo=zone)


def _period(now: datetime, notes: list[str]) -> Period:
    zone, today = now.tzinfo or UTC, now.date()
    since = argument("since") or DEFAULT_PERIOD
    match = _DAYS.fullmatch(since)
    if since in PERIODS or match:
        count = PERIODS.get(since) or int(match[1] if match else 1)
        first = today - timedelta(days=count - 1)
        return Period(name=since, first=first, last=today, since=start_of(first, zone), until=None)
    first = date_argument("since", notes) or today - timedelta(days=PERIODS[DEFAULT_PERIOD] - 1)
    last = date_argument("until", notes) or today
    if not date(1970, 1, 2) <= first <= last <= date(9998, 12, 30):
        notes.append("The period ends before it begins: the last 7 days are shown.")
        first, last = today - timedelta(days=PERIODS[DEFAULT_PERIOD] - 1), today
    end = None if last == today else start_of(last + timedelta(days=1), zone)
    return Period(name=None, first=first, last=last, since=start_of(first, zone), until=end)


def _no_receiver(name: str | None) -> str:
    return (
        "No FreshdeskWhatsApp blueprint is registered on this application."
        if name is None
        else f"There is no receiver {name!r} to show: see Dashboard(receiver=...)."
    )
