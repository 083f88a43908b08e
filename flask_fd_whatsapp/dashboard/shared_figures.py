"""The figures of a period, computed once for all who look within a minute."""

from __future__ import annotations

from typing import Any, Final

from flask import request

from ..engagement import Engagement, Figures
from ..engagement.report_filter import ReportFilter
from .visit import Period, Visit

ACCOUNTS_SECONDS: Final = 3600.0
"""How long the accounts of a period are shared: finding them goes through all its messages."""

MOST_TIMED: Final = 20_000
"""Messages whose times are worked out unasked: of many that takes seconds."""


def engagement(
    visit: Visit,
    *,
    by: str | tuple[str, str] | None = None,
    campaign: str | Any | None = ...,
    times: bool = False,
    period: Period | None = None,
) -> Engagement:
    """What became of the messages of the visit's period, receiver and account."""
    span = period or visit.period
    key = ("engagement", by, campaign, times, span.since, span.until, visit.account, visit.narrowed)
    return visit.shared(
        (*key, visit.options.zone_name),
        lambda: visit.ledger.reports.engagement(
            ReportFilter(
                since=span.since,
                until=span.until,
                campaign=campaign,
                account_id=visit.account,
                receiver=visit.narrowed,
            ),
            by=by,
            tz=visit.options.zone_name,
            times=times,
        ),
    )


def timed(
    visit: Visit,
    counted: Figures,
    *,
    by: str | None = None,
    campaign: str | Any | None = ...,
) -> Engagement | None:
    """The same with times, if the messages are few or it is asked for with ``times`` in the URL.

    :param counted: the figures of all of them.
    """
    if counted.known > MOST_TIMED and request.args.get("times") != "yes":
        return None
    return engagement(visit, by=by, campaign=campaign, times=True)


def accounts(visit: Visit) -> list[str]:
    """The accounts to choose from, where there are several."""
    known = {one for receiver in visit.shown for one in receiver.settings.account_ids or ()}
    if not known:
        counted = visit.shared(
            ("accounts", visit.period.since, visit.period.until, visit.narrowed),
            lambda: visit.ledger.reports.engagement(
                ReportFilter(
                    since=visit.period.since,
                    until=visit.period.until,
                    receiver=visit.narrowed,
                ),
                by="account",
                tz=visit.options.zone_name,
                times=False,
            ),
            seconds=ACCOUNTS_SECONDS,
        )
        known = {str(account) for account in counted.groups if account is not None}
    if visit.account:
        known.add(visit.account)
    return sorted(known) if len(known) > 1 else []
