"""The charts of figures: what the macros of ``charts.html`` draw, with the data as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from ..engagement import Comparison, CurvePoint, Figures, Times
from .axes import LEAST, Chart, across, pixels, share_of_axis, step_to, steps
from .wordings import day, interval, length, number, percent, points, rate

NO_BAR: Final = "No message was sent then."

STACK: Final = (
    ("read", "read"),
    ("delivered", "delivered, not read"),
    ("awaiting", "sent, no answer yet"),
    ("queued", "queued or unheard"),
    ("failed", "failed (below the line)"),
)
"""The parts of a bar, from its base."""

LONGEST_BY_DAY: Final = 31
"""Days of a period with a bar for each; longer ones have one for each week."""


def funnel(figures: Figures, name: str, title: str, note: str) -> Chart:
    """How many came how far, each out of all that are known."""
    waiting = figures.queued + figures.unheard
    stages = (
        (
            "Known",
            figures.known,
            None,
            "awaiting",
            "",
            _lost((figures.failed_before, "failed"), (waiting, "queued or unheard")),
        ),
        (
            "Submitted",
            figures.submitted,
            figures.submission_rate,
            "awaiting",
            "known",
            _lost((figures.failed_after, "failed"), (figures.awaiting, "without an answer yet")),
        ),
        (
            "Delivered",
            figures.delivered,
            figures.delivery_rate,
            "delivered",
            "submitted",
            _lost((figures.delivered - figures.read, "not read, or with receipts off")),
        ),
        ("Read", figures.read, figures.read_rate, "read", "delivered", ""),
    )
    rows = [
        {
            "label": label,
            "count": number(count),
            "rate": share and rate(share),
            "of": share and number(share.denominator),
            "noun": noun,
            "ci": share and interval(share),
            "y": place * 64,
            "w": across(count / figures.known if figures.known else 0),
            "kind": kind,
            "lost": lost,
        }
        for place, (label, count, share, kind, noun, lost) in enumerate(stages)
    ]
    return {
        "id": name,
        "title": title,
        "note": note,
        "rows": rows,
        "height": len(rows) * 64 - 26,
        "desc": f"Of {number(figures.known)} known messages {number(figures.submitted)} were "
        f"submitted to WhatsApp, {number(figures.delivered)} delivered and "
        f"{number(figures.read)} read.",
    }


def _lost(*parts: tuple[int, str]) -> str:
    return ", ".join(f"{number(count)} {what}" for count, what in parts if count)


class Bar(NamedTuple):
    """One bar of outcomes: a day, an hour or a week.

    :param top: the first line below it, and ``below`` the second.
    :param full: the whole of its name.
    :param parts: in the order of :data:`STACK`.
    """

    top: str
    below: str
    full: str
    parts: tuple[int, int, int, int, int]

    @property
    def known(self) -> int:
        """All its messages."""
        return sum(self.parts)

    @property
    def failed(self) -> int:
        """Those that failed."""
        return self.parts[-1]


def parts_of(figures: Figures | None) -> tuple[int, int, int, int, int]:
    """How many messages are at each part of a bar."""
    if figures is None:
        return 0, 0, 0, 0, 0
    return (
        figures.read,
        figures.delivered - figures.read,
        figures.awaiting,
        figures.queued + figures.unheard,
        figures.failed,
    )


def bars_by_day(groups: Mapping[date, Figures], first: date, last: date) -> list[Bar]:
    """A bar for each day, or each week where there are many."""
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    if len(days) <= LONGEST_BY_DAY:
        return [Bar(str(one.day), f"{one:%a}", day(one), parts_of(groups.get(one))) for one in days]
    bars = []
    weeks: dict[date, list[date]] = {}
    for one in days:
        weeks.setdefault(one - timedelta(days=one.weekday()), []).append(one)
    for within in weeks.values():
        sums = [
            sum(column)
            for column in zip(*(parts_of(groups.get(one)) for one in within), strict=True)
        ]
        full = f"{day(within[0])} to {day(within[-1])}"
        read, delivered, awaiting, queued, failed = sums
        bars.append(
            Bar(
                str(within[0].day),
                f"{within[0]:%b}",
                full,
                (read, delivered, awaiting, queued, failed),
            )
        )
    return bars


def bars_by_hour(groups: Mapping[datetime, Figures], first: datetime, last: datetime) -> list[Bar]:
    """A bar for each hour."""
    bars, moment = [], first
    by_moment = {key.timestamp(): figures for key, figures in groups.items()}
    while moment < last:
        local = moment.astimezone(first.tzinfo)
        parts = parts_of(by_moment.get(moment.timestamp()))
        bars.append(Bar(f"{local:%H}", "", f"{day(local)} {local:%H:%M}", parts))
        moment = (moment.astimezone(UTC) + timedelta(hours=1)).astimezone(first.tzinfo)
    return bars


def outcomes(bars: Sequence[Bar], name: str, title: str, note: str, *, unit: str) -> Chart:
    """Stacked bars; failed hangs below the line, so that it and read have a straight base."""
    height, pad, foot = 260, 18, 52
    plot = height - pad - foot
    step = step_to(max((bar.known - bar.failed for bar in bars), default=0), want=5)
    top = math.ceil(max([*(bar.known - bar.failed for bar in bars), 1]) / step) * step
    bottom = max((bar.failed for bar in bars), default=0)
    scale = plot / (top + bottom)
    zero = pad + top * scale
    count = max(len(bars), 1)
    width = min(0.62 / count, 0.085)
    drawn = []
    for place, bar in enumerate(bars):
        middle, y, segments = (place + 0.5) / count, zero, []
        for (kind, _), part in zip(STACK[:-1], bar.parts[:-1], strict=True):
            if part:
                high = max(part * scale, LEAST)
                y -= high
                segments.append({"kind": kind, "y": pixels(y), "h": pixels(high)})
        low = max(bar.failed * scale, LEAST) if bar.failed else 0
        if low:
            segments.append({"kind": "failed", "y": pixels(zero), "h": pixels(low)})
        is_kept = count <= 10 or place % 2 == (count - 1) % 2
        if count > 16:
            is_kept = place % 4 == (count - 1) % 4
        drawn.append(
            {
                "x": across(middle - width / 2),
                "w": across(width),
                "mid": across(middle),
                "segments": segments,
                "top_y": pixels(y),
                "bottom_y": pixels(zero + low),
                "total": number(bar.known - bar.failed) if bar.known and count <= 16 else "",
                "failed": number(bar.failed) if bar.failed and count <= 16 else "",
                "top": bar.top,
                "below": bar.below,
                "full": bar.full,
                "k": ""
                if is_kept
                else "k3"
                if count > 16 and place % 2 == (count - 1) % 2
                else "k2",
                "row": (bar.known, *bar.parts),
                "tip": _tip(bar),
            }
        )
    worst = max(bars, key=lambda bar: bar.failed, default=None)
    most = (
        f"Most failures on {worst.full}: {number(worst.failed)} of {number(worst.known)}."
        if worst and worst.failed
        else "None failed."
    )
    between = f" from {bars[0].full} to {bars[-1].full}" if bars else ""
    return {
        "id": name,
        "title": title,
        "note": note,
        "unit": unit.capitalize(),
        "height": height,
        "ticks": [
            {"y": pixels(zero - value * scale), "label": number(round(value)), "zero": not value}
            for value in steps(0, top, step)
        ],
        "bars": drawn,
        "legend": STACK,
        "desc": f"Stacked bars, one for each {unit}{between}. {most}",
    }


def _tip(bar: Bar) -> str:
    if not bar.known:
        return f"{bar.full}: {NO_BAR}"
    told = ", ".join(
        f"{number(part)} {label.partition(' (')[0]} ({part / bar.known:.0%})"
        for (_, label), part in zip(STACK, bar.parts, strict=True)
        if part
    )
    return f"{bar.full}: {number(bar.known)} messages; {told}"


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
        # Each line's name stands off the other line.
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


def histogram(times: Times, name: str, title: str, note: str, *, noun: str, column: str) -> Chart:
    """How many took how long, in bands between the curve's ages."""
    height, pad, foot = 240, 46, 22
    base = height - foot
    plot = base - pad
    most = max((one.count for one in times.histogram), default=0)
    step = step_to(most)
    top = math.ceil(max(most, 1) / step) * step
    count = max(len(times.histogram), 1)
    so_far, bars = 0, []
    for place, one in enumerate(times.histogram):
        so_far += one.count
        high = max(one.count / top * plot, LEAST) if one.count else 0
        label = f"≤{length(one.up_to)}" if one.up_to else f">{length(one.above)}"
        share = percent(one.count / times.n if times.n else None)
        bars.append(
            {
                "x": across((place + 0.1) / count),
                "w": across(0.8 / count),
                "mid": across((place + 0.5) / count),
                "y": pixels(base - high),
                "h": pixels(high),
                "count": number(one.count),
                "label": label,
                "full": _band(one.above, one.up_to),
                "share": share,
                "so_far": percent(so_far / times.n if times.n else None),
                "k": "" if place % 2 == (count - 1) % 2 else "k2",
                "tip": f"{_band(one.above, one.up_to)}: {number(one.count)} of {number(times.n)} "
                f"({share})",
            }
        )
    bounds = tuple(one.up_to for one in times.histogram if one.up_to)
    marks = []
    for span, label, y in ((times.p50, "half within", 26), (times.p90, "90% within", 10)):
        if span is not None:
            at = share_of_axis(span, bounds)
            marks.append(
                {"x": across(at), "y": y, "end": at > 0.5, "label": f"{label} {length(span)}"}
            )
    told = (
        f"Half were {noun} within {length(times.p50)}, 90% within {length(times.p90)}."
        if times.n
        else "None was measured."
    )
    return {
        "id": name,
        "title": title,
        "note": note,
        "column": column,
        "height": height,
        "base": base,
        "bars": bars,
        "marks": marks,
        "ticks": [
            {
                "y": pixels(base - value / top * plot),
                "label": number(round(value)),
                "zero": not value,
            }
            for value in steps(0, top, step)
        ],
        "desc": f"Bars of how many messages were {noun} in each band of time. {told}",
    }


def _band(above: timedelta | None, up_to: timedelta | None) -> str:
    if above is None:
        return f"up to {length(up_to)}"
    return f"{length(above)} to {length(up_to)}" if up_to else f"more than {length(above)}"


def difference(
    rows: Sequence[tuple[str, Comparison]],
    name: str,
    title: str,
    note: str,
    *,
    left: str,
    right: str,
) -> Chart:
    """Differences with their intervals, and where there is none."""
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


def spark(counts: Sequence[int], label: str) -> Chart:
    """Small bars in a cell of a table, on a scale of their own."""
    most = max([*counts, 1])
    wide = 11 if len(counts) <= 14 else 5
    bars = []
    for place, count in enumerate(counts):
        high = max(22 * count / most, LEAST) if count else 0
        bars.append(
            {"x": 1 + wide * place, "w": wide - 2, "h": pixels(high), "y": pixels(23 - high)}
        )
    return {"w": wide * len(counts) + 1, "label": label, "bars": bars, "most": max([*counts, 0])}


def meter(share: float | None, low: float | None, high: float | None) -> Chart:
    """A bar below a rate, with its interval."""
    return {"w": across(share or 0), "low": across(low or 0), "high": across(high or 0)}
