"""*Failures*: what to do about each class, its codes, lists to download, and the messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from flask import Response, request

from ..engagement import Engagement
from ..failure_reasons import FailureClass
from ..ledger.listing import MessageFilter
from . import charts
from .account_choice import accounts
from .campaign_views import by_class
from .csv_download import download
from .message_paging import all_pages, paged
from .message_views import HEAD, row_of
from .overview_page import classes_of
from .shared_figures import engagement
from .visit import Visit, argument

LONGEST_CODE: Final = 255
"""The characters of a code that is linked; the vendor's have six."""

LISTS: Final = {
    "all": frozenset(FailureClass),
    "do-not-send": frozenset({FailureClass.RECIPIENT}),
    "send-again": frozenset({FailureClass.TRANSIENT, FailureClass.ACCOUNT_OR_CONFIGURATION}),
}
"""The lists to download, each with its classes."""

URGENT: Final = (
    FailureClass.ACCOUNT_OR_CONFIGURATION,
    FailureClass.CONTENT_OR_WINDOW,
    FailureClass.UNKNOWN,
    FailureClass.RECIPIENT,
    FailureClass.MARKETING_CAP,
    FailureClass.TRANSIENT,
)
"""The most urgent first."""


def failures(visit: Visit) -> tuple[str, dict[str, Any]]:
    """The page."""
    campaign = _campaign()
    counted = engagement(visit, by=("day", "failure"), campaign=campaign)
    total = counted.total
    days = _days(visit)
    per_day = _per_day(counted)
    classes = sorted(by_class(total), key=lambda one: URGENT.index(one["failure_class"]))
    for one in classes:
        counts = [
            sum(per_day.get((day, one["failure_class"]), 0) for day in within) for _, within in days
        ]
        told = ", ".join(f"{name} {count}" for (name, _), count in zip(days, counts, strict=True))
        one["spark"] = charts.spark(counts, f"{one['failure_class']}: {told}")
        one["counts"] = counts
    of_lists = {
        name: sum(one["count"] for one in classes if one["failure_class"] in of_list)
        for name, of_list in LISTS.items()
    }
    wanted, chosen = _wanted(visit), _class()
    # If few failed, all messages of the period are scanned.
    listed = ("failures", wanted, chosen, argument("before"), argument("after"))
    return "failures.html", {
        "as_of": counted.as_of,
        "total": total,
        "classes": classes,
        "days": days,
        "codes": total.failures[:50],
        "can_link": _can_link,
        "of_lists": of_lists,
        "class_of": classes_of(visit),
        "page": visit.shared(listed, lambda: paged(visit, wanted, only=chosen)),
        "chosen_class": chosen,
        "chosen_code": argument("code"),
        "campaign": argument("campaign"),
        "is_without": _campaign() is None,
        "campaigns": _campaign_names(visit),
        "accounts": accounts(visit),
    }


def failures_csv(visit: Visit) -> Response:
    """The messages that failed: all, those not to send again, or those worth sending again."""
    name = request.args.get("list", "all")
    of_list = LISTS.get(name, LISTS["all"])
    class_of = classes_of(visit)
    chosen = _class()

    def lines() -> Iterator[tuple[object, ...]]:
        for one in all_pages(visit, _wanted(visit)):
            failure_class = class_of(one.error.code if one.error else None)
            if failure_class not in of_list or chosen not in (None, failure_class):
                continue
            row = row_of(one, failure_class)
            if name != "all" and row["arrived"]:
                continue  # it arrived all the same
            yield tuple(row.values())

    return download(
        "failures" if name not in LISTS or name == "all" else name, visit, HEAD, lines()
    )


def _wanted(visit: Visit) -> MessageFilter:
    code = argument("code")
    return MessageFilter(
        failed=True,
        codes=None if code is None else (code,),
        campaign=_campaign(),
        since=visit.period.since,
        until=visit.period.until,
        account_id=visit.account,
        receiver=visit.narrowed,
    )


def _can_link(code: str | None) -> bool:
    """Whether a URL can ask for the messages with *code*: codes may have any length."""
    return code is not None and 0 < len(code) <= LONGEST_CODE and code == code.strip()


def _campaign() -> Any:
    if "without" in request.args:
        return None
    return argument("campaign") or ...


def _class() -> FailureClass | None:
    try:
        return FailureClass(argument("class") or "")
    except ValueError:
        return None


def _campaign_names(visit: Visit) -> list[str]:
    names = engagement(visit, by="campaign").groups
    return sorted(name for name in names if name is not None)[:1000]


def _days(visit: Visit) -> list[tuple[str, list[date]]]:
    """The days of the period, or its weeks if there are many."""
    period = visit.period
    days = [period.first + timedelta(days=place) for place in range(period.days)]
    if len(days) <= charts.LONGEST_BY_DAY:
        return [(f"{day.day} {day:%b}", [day]) for day in days]
    weeks: dict[date, list[date]] = {}
    for day in days:
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(day)
    return [(f"{within[0].day} {within[0]:%b}", within) for within in weeks.values()]


def _per_day(counted: Engagement) -> dict[tuple[date, FailureClass], int]:
    found: dict[tuple[date, FailureClass], int] = {}
    for (day, failure), figures in counted.groups.items():
        if failure is not None:
            key = (day, FailureClass(failure[0]))
            found[key] = found.get(key, 0) + figures.failed
    return found
