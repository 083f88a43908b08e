"""*Overview*: whether it works, what needs attention, and what became of the messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from ..engagement import Engagement
from ..failure_reasons import classify
from ..ledger.listing import ListedMessage, MessageFilter
from . import charts
from .account_choice import accounts
from .attention_list import heading, is_empty, stands, to_do
from .health_strip import health
from .shared_figures import engagement, timed, unit_of
from .visit import Visit, start_of
from .wordings import counted

NEWEST: Final = 5
CAMPAIGNS: Final = 6


def overview(visit: Visit) -> tuple[str, dict[str, Any]]:
    """The page."""
    all_stands = stands(visit)
    common: dict[str, Any] = {"cells": health(all_stands, visit.options.zone), "stands": all_stands}
    if is_empty(all_stands) and not visit.account:
        return "overview-empty.html", {**common, "receiver": visit.chosen}
    items = to_do(visit, all_stands)
    by_day = engagement(visit, by=unit_of(visit.period))
    total = by_day.total
    with_times = timed(visit, total)
    by_campaign = engagement(visit, by="campaign")
    largest = sorted(by_campaign.groups.items(), key=lambda pair: -pair[1].known)
    return "overview.html", {
        **common,
        "items": items,
        "heading": heading(items),
        "as_of": by_day.as_of,
        "total": total,
        "timed": with_times and with_times.total,
        "funnel": charts.funnel(
            total,
            "fun",
            f"What became of {counted(total.known, 'message')}",
            "Each bar out of all that are known; each rate out of the stage above, with its 95% "
            "interval.",
        ),
        "outcomes": outcomes(visit, by_day),
        "campaigns": largest[:CAMPAIGNS],
        "more_campaigns": max(len(largest) - CAMPAIGNS, 0),
        "failures": newest_failures(visit, limit=NEWEST),
        "classes": classes_of(visit),
        "accounts": accounts(visit),
    }


def outcomes(visit: Visit, by_day: Engagement) -> charts.Chart:
    """The chart of outcomes by hour, day or week, depending on the period's length."""
    period, zone = visit.period, visit.options.zone
    if period.days == 1:
        bars = charts.bars_by_hour(
            by_day.groups, period.since, start_of(period.first + timedelta(days=1), zone)
        )
        unit = "hour"
    else:
        bars = charts.bars_by_day(by_day.groups, period.first, period.last)
        unit = "week" if period.days > charts.LONGEST_BY_DAY else "day"
    note = f"By the {unit} a message was sent, in {visit.options.zone_name}."
    if period.until is None:
        note += f" {period.last:%A} is not over."
    return charts.outcomes(bars, "out", f"Outcomes by {unit}", note, unit=unit)


def newest_failures(visit: Visit, *, limit: int) -> list[ListedMessage]:
    """The period's latest messages that failed: if few did, all are scanned."""
    wanted = MessageFilter(
        failed=True,
        since=visit.period.since,
        until=visit.period.until,
        account_id=visit.account,
        receiver=visit.narrowed,
    )
    return visit.shared(
        ("newest failures", wanted, limit), lambda: visit.ledger.browser.page(wanted, limit=limit)
    )


def classes_of(visit: Visit) -> Any:
    """Return a function that classifies an error code, using the receiver's own classes too."""
    own = visit.chosen.settings.failure_classes
    return lambda code: classify(code, own)
