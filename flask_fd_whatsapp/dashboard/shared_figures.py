"""The figures of a period, computed once for all visitors within a minute."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from flask import request

from ..engagement import Engagement, Figures
from ..engagement.report_filter import ReportFilter
from .visit import Period, Visit

By: TypeAlias = str | tuple[str, str] | None
"""The dimensions by which figures are grouped."""

MOST_TIMED: Final = 20_000
"""How many messages' times are computed without a request: for many it takes seconds."""


def unit_of(period: Period) -> str:
    """The unit by which a period's outcomes are shown: an hour or a day."""
    return "hour" if period.days == 1 else "day"


def engagement(
    visit: Visit,
    *,
    by: By = None,
    campaign: str | Any | None = ...,
    times: bool = False,
    period: Period | None = None,
) -> Engagement:
    """What became of the messages of the visit's period, receiver and account."""
    span = period or visit.period
    ways: tuple[By, ...] = (by,)
    if campaign is ... and not times:
        # The messages are read once for all pages: reading them is the slow part.
        together: tuple[By, ...] = (unit_of(span), "campaign", ("day", "failure"))
        ways = together if by in together else ways
    key = ("engagement", ways, campaign, times, span.since, span.until, visit.account)
    found = visit.shared(
        (*key, visit.narrowed, visit.options.zone_name),
        lambda: visit.ledger.reports.breakdowns(
            ReportFilter(
                since=span.since,
                until=span.until,
                campaign=campaign,
                account_id=visit.account,
                receiver=visit.narrowed,
            ),
            by=ways,
            tz=visit.options.zone_name,
            times=times,
        ),
    )
    return found[ways.index(by)]


def timed(
    visit: Visit,
    counted: Figures,
    *,
    by: str | None = None,
    campaign: str | Any | None = ...,
) -> Engagement | None:
    """The same with times, if the messages are few, or if ``times`` in the URL requests it.

    :param counted: the figures of all of them.
    """
    if counted.known > MOST_TIMED and request.args.get("times") != "yes":
        return None
    return engagement(visit, by=by, campaign=campaign, times=True)
