"""The comparison of two campaigns, on *Campaigns*."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from flask import request

from ..engagement import Comparison, Figures, compare
from . import charts
from .shared_figures import engagement
from .visit import Visit, argument

AGES: Final = {
    "24h": ("24 hours after each was sent", timedelta(hours=24)),
    "7d": ("7 days after each was sent", timedelta(days=7)),
    "now": ("as of now", None),
}

RATES: Final = (
    ("Read rate", "read_rate", "delivered"),
    ("Delivery rate", "delivery_rate", "submitted"),
    ("Failure rate", "failure_rate", "known"),
)


def chosen(names: list[str]) -> tuple[str | None, str | None]:
    """The two campaigns that the form starts with: those requested, else the first ones."""
    first = argument("a") or next(iter(names), None)
    return first, argument("b") or next((name for name in names if name != first), None)


def comparison(visit: Visit, groups: Any) -> dict[str, Any] | None:
    """Compare two campaigns at equal age; ``None`` if fewer than two are requested."""
    first, second = argument("a"), argument("b")
    if first is None or second is None:
        return None
    age_name = request.args.get("age", "24h")
    label, age = AGES.get(age_name, AGES["24h"])
    unknown = [name for name in (first, second) if name not in groups]
    if unknown or first == second:
        return {"a": first, "b": second, "age": age_name, "unknown": unknown, "rows": None}
    sides: list[Figures] = [groups[name] for name in (first, second)]
    if age is not None and sides[0].curve is None:
        sides = [engagement(visit, campaign=name, times=True).total for name in (first, second)]
    rows = []
    for title, rate, noun in RATES:
        if age is not None and rate == "failure_rate":
            continue  # the age at which each failed is not kept
        one = compare(sides[0], sides[1], rate, age=age)
        rows.append((title, noun if age is None else "submitted, and at least that old", one))
    return {
        "a": first,
        "b": second,
        "age": age_name,
        "unknown": [],
        "label": label,
        "rows": rows,
        "verdict": _verdict(first, second, rows[0][2], label),
        "sides": sides,
        "chart": charts.difference(
            [(title, one) for title, _, one in rows],
            "dif",
            "The difference, in points",
            "The dot is what was seen, the line its 95% interval. Where the line crosses 0, it may "
            "be chance.",
            left=second,
            right=first,
        ),
    }


def _verdict(first: str, second: str, read: Comparison, label: str) -> dict[str, Any]:
    if read.difference is None:
        return {"title": "There is nothing to compare yet", "is_sure": False, "leads": None}
    leads = first if read.difference > 0 else second
    return {
        "leads": leads,
        "is_sure": not read.may_be_chance,
        "difference": abs(read.difference),
        "text": charts.difference_text(read),
        "label": label,
    }
