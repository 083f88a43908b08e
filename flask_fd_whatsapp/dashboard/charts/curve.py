"""The shares that were delivered, and read, within each age."""

from __future__ import annotations

from collections.abc import Sequence

from ...engagement import CurvePoint
from ..wordings import interval, length, number, rate
from .axes import Chart, across, pixels


def curve(line: Sequence[CurvePoint], submitted: int, name: str, title: str, note: str) -> Chart:
    """How large a share was delivered, and read, within each age."""
    height, top = 300, 10
    plot = height - 54
    count = len(line)

    def y(share: float | None) -> float:
        return pixels(top + plot * (1 - (share or 0)))

    def x(place: int) -> float:
        return (place + 0.5) / count

    def drawn(which: str) -> Chart:
        shares = [(place, getattr(point, which)) for place, point in enumerate(line) if point.n]
        if not shares:
            return {"line": "", "points": [], "end": None}
        last, end = shares[-1]
        return {
            "line": " ".join(
                f"{pixels(x(place) * 1000)},{pixels(y(share.value) - top)}"
                for place, share in shares
            ),
            "points": [
                {
                    "x": across(x(place)),
                    "y": y(share.value),
                    "low": y(share.low),
                    "high": y(share.high),
                    "is_part": share.denominator < submitted,
                    "tip": f"{which} within {length(line[place].age)}: {rate(share)} "
                    f"({number(share.numerator)} of {number(share.denominator)}; 95% interval "
                    f"{interval(share)})",
                }
                for place, share in shares
            ],
            "end": {"x": across(x(last)), "y": y(end.value), "label": rate(end)},
        }

    delivered, read = drawn("delivered"), drawn("read")
    if delivered["end"] and read["end"]:
        # Each line's label keeps its distance from the other line.
        is_above = read["end"]["y"] - delivered["end"]["y"] < 40
        delivered["end"]["text_y"] = delivered["end"]["y"] + (-10 if is_above else 22)
        read["end"]["text_y"] = read["end"]["y"] + (22 if is_above else -14)
        if delivered["end"]["text_y"] < 12:
            delivered["end"]["text_y"] = 12
    unreached = [place for place, point in enumerate(line) if not point.n]
    veil = None
    if unreached:
        begin, wide = unreached[0] / count, len(unreached) / count
        veil = {
            "x": across(begin),
            "w": across(wide),
            "mid": across(begin + wide / 2),
            "is_wide": wide > 0.2,
        }
    ends = (
        f" Delivered ends at {delivered['end']['label']}, read at {read['end']['label']} of what "
        "was submitted."
        if delivered["end"]
        else " No message is a minute old yet."
    )
    return {
        "id": name,
        "title": title,
        "note": note,
        "height": height,
        "top": top,
        "plot": plot,
        "delivered": delivered,
        "read": read,
        "veil": veil,
        "ages": [
            {
                "x": across(x(place)),
                "label": length(point.age),
                "n": number(point.n) + ("*" if 0 < point.n < submitted else "") if point.n else "–",
                "k": "" if place % 2 == 0 else "k2",
            }
            for place, point in enumerate(line)
        ],
        "has_parts": any(0 < point.n < submitted for point in line),
        "ticks": [
            {"y": y(share), "label": f"{share:.0%}", "zero": not share}
            for share in (0, 0.25, 0.5, 0.75, 1)
        ],
        "desc": f"Two lines over the time since a message was sent, 1 minute to 30 days.{ends}",
        "table": [
            (
                length(point.age),
                number(point.n) if point.n else "none yet",
                rate(point.delivered),
                interval(point.delivered),
                rate(point.read),
                interval(point.read),
                number(point.left_out),
            )
            for point in line
        ],
    }
