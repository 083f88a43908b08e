"""The outcomes of the messages of each day, week or hour, as stacked bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from ...engagement import Figures
from ..wordings import day, number
from .axes import LEAST, Chart, across, label, pixels, segment, step_to, steps

NO_BAR: Final = "No message was sent then."

MOST_COUNTED: Final = 16
"""The maximum number of bars with room for their counts."""

STACK: Final = (
    ("read", "read"),
    ("delivered", "delivered, not read"),
    ("awaiting", "sent, no answer yet"),
    ("queued", "queued or unheard"),
    ("failed", "failed (below the line)"),
)
"""The parts of a bar, from its base."""

LONGEST_BY_DAY: Final = 31
"""The maximum number of days with a bar each; longer periods have a bar per week."""


class Bar(NamedTuple):
    """One bar of outcomes: a day, an hour or a week.

    :param top: the first line of its label, and ``below`` the second.
    :param full: its full name.
    :param parts: in the order of :data:`STACK`.
    """

    top: str
    below: str
    full: str
    parts: tuple[int, int, int, int, int]

    @property
    def known(self) -> int:
        """The number of all its messages."""
        return sum(self.parts)

    @property
    def failed(self) -> int:
        """The number of messages that failed."""
        return self.parts[-1]


def parts_of(figures: Figures | None) -> tuple[int, int, int, int, int]:
    """Return the number of messages in each part of a bar."""
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
    """Stacked bars; failures are below the line, so that they and reads both have a straight
    base."""
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
                segments.append(segment(kind, y, high))
        low = max(bar.failed * scale, LEAST) if bar.failed else 0
        if low:
            segments.append(segment("failed", zero, low))
        style = _room_for(place, count)
        labels = [label(bar.top, height - 16, style), label(bar.below, height - 2, style)]
        if count <= MOST_COUNTED and bar.known:
            labels.append(label(number(bar.known - bar.failed), y - 6, "plain k2"))
        if count <= MOST_COUNTED and bar.failed:
            labels.append(label(number(bar.failed), zero + low + 13, "k2"))
        drawn.append(
            {
                "x": across(middle - width / 2),
                "w": across(width),
                "mid": across(middle),
                "segments": segments,
                "labels": labels,
                "full": bar.full,
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


def _room_for(place: int, count: int) -> str:
    """Which labels below the bars are dropped first if there is no room for all."""
    from_last = count - 1 - place
    if count <= 10 or from_last % (4 if count > MOST_COUNTED else 2) == 0:
        return ""
    return "k3" if count > MOST_COUNTED and from_last % 2 else "k2"


def _tip(bar: Bar) -> str:
    if not bar.known:
        return f"{bar.full}: {NO_BAR}"
    told = ", ".join(
        f"{number(part)} {label.partition(' (')[0]} ({part / bar.known:.0%})"
        for (_, label), part in zip(STACK, bar.parts, strict=True)
        if part
    )
    return f"{bar.full}: {number(bar.known)} messages; {told}"
