"""*Campaigns*, a table, and *Campaign*, the results of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from flask import Response, abort, request

from ..engagement import Figures
from . import charts
from .account_choice import accounts
from .campaign_comparison import AGES, chosen, comparison
from .csv_download import download
from .overview_page import outcomes
from .shared_figures import engagement, timed, unit_of
from .visit import Visit, argument
from .wordings import counted

PAGE: Final = 100
"""Campaigns in the table; any others are found by name, or in the CSV."""


def _share(name: str) -> Callable[[tuple[str | None, Figures]], Any]:
    return lambda pair: getattr(pair[1], name).value or 0.0


def _half_within(one: Figures) -> float:
    times = one.time_to_read
    return -1.0 if times is None or times.p50 is None else times.p50.total_seconds()


_COLUMNS: Final[dict[str, Callable[[tuple[str | None, Figures]], Any]]] = {
    "campaign": lambda pair: (pair[0] is None, (pair[0] or "").casefold()),
    "messages": lambda pair: pair[1].known,
    "delivery_rate": _share("delivery_rate"),
    "read_rate": _share("read_rate"),
    "failure_rate": _share("failure_rate"),
    "pending": lambda pair: pair[1].pending,
    "time_to_read": lambda pair: _half_within(pair[1]),
    "last": lambda pair: pair[1].last_sent.timestamp() if pair[1].last_sent else 0.0,
}

HEADS: Final[tuple[tuple[str, str], ...]] = (
    ("campaign", "Campaign"),
    ("messages", "Messages"),
    ("delivery_rate", "Delivered"),
    ("read_rate", "Read"),
    ("failure_rate", "Failed"),
    ("pending", "Still open"),
    ("time_to_read", "Time to read"),
    ("last", "Sent"),
)


def campaigns(visit: Visit) -> tuple[str, dict[str, Any]]:
    """The table, and two of them compared."""
    counted = engagement(visit, by="campaign")
    with_times = timed(visit, counted.total, by="campaign")
    by_campaign = with_times or counted
    rows, sort = _sorted(by_campaign.groups)
    names = sorted(name for name in by_campaign.groups if name is not None)
    return "campaigns.html", {
        "as_of": by_campaign.as_of,
        "total": by_campaign.total,
        "count": len(by_campaign.groups),
        "found": len(rows),
        "rows": rows[:PAGE],
        "heads": [one for one in HEADS if with_times or one[0] != "time_to_read"],
        "has_times": with_times is not None,
        "sort": sort,
        "name": argument("name"),
        "names": names[:1000],
        "ages": AGES,
        "age": argument("age"),
        "chosen": chosen(names),
        "comparison": comparison(visit, by_campaign.groups),
        "accounts": accounts(visit),
    }


def campaigns_csv(visit: Visit) -> Response:
    """All campaigns of the period."""
    rows, _ = _sorted(engagement(visit, by="campaign").groups)
    head = (
        "campaign",
        "known",
        "submitted",
        "delivered",
        "read",
        "failed",
        "failed_but_arrived",
        "pending",
        "delivery_rate",
        "read_rate",
        "failure_rate",
        "first_sent",
        "last_sent",
    )

    def lines() -> Iterator[tuple[object, ...]]:
        for name, one in rows:
            yield (
                name,
                one.known,
                one.submitted,
                one.delivered,
                one.read,
                one.failed,
                one.failed_but_arrived,
                one.pending,
                one.delivery_rate.value,
                one.read_rate.value,
                one.failure_rate.value,
                one.first_sent,
                one.last_sent,
            )

    return download("campaigns", visit, head, lines())


def _sorted(groups: Any) -> tuple[list[tuple[str | None, Figures]], tuple[str, bool]]:
    name = (argument("name") or "").casefold()
    rows = [pair for pair in groups.items() if name in (pair[0] or "").casefold()]
    given = argument("sort") or "-messages"
    column, is_down = given.removeprefix("-"), given.startswith("-")
    if column not in _COLUMNS:
        column, is_down = "messages", True
    rows.sort(key=lambda pair: (pair[0] or "").casefold())
    rows.sort(key=_COLUMNS[column], reverse=is_down)
    return rows, (column, is_down)


def campaign(visit: Visit) -> tuple[str, dict[str, Any]]:
    """The results of one campaign."""
    name: str | None = argument("campaign")
    if name is None and "without" not in request.args:
        abort(404)
    by_day = engagement(visit, by=unit_of(visit.period), campaign=name)
    total = by_day.total
    found = timed(visit, total, campaign=name)
    with_times = found and found.total
    context: dict[str, Any] = {
        "campaign": name,
        "as_of": by_day.as_of,
        "total": total,
        "timed": with_times,
        "late": with_times.late if with_times else None,
        "funnel": charts.funnel(
            total,
            "fun",
            f"Where {counted(total.known, 'message')} got to",
            "Each bar out of all that are known; each rate out of the stage above.",
        ),
        "outcomes": outcomes(visit, by_day),
        "curve": None,
        "histogram": None,
        "by_class": by_class(total),
        "accounts": accounts(visit),
        "steps": (),
    }
    if with_times and with_times.time_to_read and any(one.n for one in with_times.curve or ()):
        context["curve"] = charts.curve(
            with_times.curve or (),
            total.submitted,
            "cur",
            "How fast",
            "The share of what was submitted that had arrived, and been read, by its age.",
        )
        if with_times.time_to_read.n:
            context["histogram"] = charts.histogram(
                with_times.time_to_read,
                "his",
                "From delivered to read",
                f"{counted(with_times.time_to_read.n, 'message')} of which both times are known.",
                noun="read",
                column="Time from delivered to read",
            )
        context["steps"] = (
            ("Queued to sent", with_times.time_to_submit),
            ("Sent to delivered", with_times.time_to_deliver),
            ("Delivered to read", with_times.time_to_read),
            ("Sent to read", with_times.sent_to_read),
        )
    return "campaign.html", context


def by_class(total: Figures) -> list[dict[str, Any]]:
    """The failures by class, most frequent first, each with its codes."""
    classes: dict[Any, list[Any]] = {}
    for one in total.failures:
        classes.setdefault(one.failure_class, []).append(one)
    found = [
        {
            "failure_class": failure_class,
            "count": sum(one.count.numerator for one in of_class),
            "share": sum(one.count.numerator for one in of_class) / total.failed
            if total.failed
            else None,
            "codes": of_class,
            "example": next((one.example for one in of_class if one.example), None),
            "last": max((one.last for one in of_class if one.last), default=None),
            "first": min((one.first for one in of_class if one.first), default=None),
        }
        for failure_class, of_class in classes.items()
    ]
    return sorted(found, key=lambda one: -one["count"])
