"""The differences between the rates of two campaigns, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...engagement import Comparison
from ..wordings import points
from .axes import Chart, across, step_to, steps


def difference(
    rows: Sequence[tuple[str, Comparison]],
    name: str,
    title: str,
    note: str,
    *,
    left: str,
    right: str,
) -> Chart:
    """The differences with their intervals, if there are any."""
    known = [
        (label, one.difference * 100, one.low * 100, one.high * 100, one)
        for label, one in rows
        if one.difference is not None and one.low is not None and one.high is not None
    ]
    lowest = min([0.0, *(low for _, _, low, _, _ in known)])
    highest = max([0.0, *(high for _, _, _, high, _ in known)])
    step = step_to(max(highest - lowest, 0.1), whole=False)
    begin, end = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    if begin == end:
        begin, end = begin - step, end + step

    def x(value: float) -> str:
        return across(0.03 + 0.94 * (value - begin) / (end - begin))

    drawn = [
        {
            "label": label,
            "y": 46 + place * 46,
            "x": x(value),
            "low": x(low),
            "high": x(high),
            "is_sure": not one.may_be_chance,
            "text": difference_text(one),
        }
        for place, (label, value, low, high, one) in enumerate(known)
    ]
    return {
        "id": name,
        "level": 3,
        "title": title,
        "note": note,
        "rows": drawn,
        "ticks": [
            {
                "x": x(value),
                "label": f"{value:+g}".replace("-", "−") if abs(value) > 1e-9 else "0",
                "zero": abs(value) < 1e-9,
            }
            for value in (round(one, 6) for one in steps(begin, end, step))
        ],
        "height": 46 + len(drawn) * 46,
        "left": left,
        "right": right,
        "desc": " ".join(f"{row['label']}: {row['text']}." for row in drawn)
        or "There is nothing to compare yet.",
    }


def difference_text(one: Comparison) -> str:
    """``+5.2 points (+3.1 to +7.3)``."""
    if one.difference is None or one.low is None or one.high is None:
        return "nothing to compare"
    return f"{points(one.difference)} points ({points(one.low)} to {points(one.high)})"
