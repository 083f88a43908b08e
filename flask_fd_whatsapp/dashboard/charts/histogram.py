"""How long messages took, as a histogram."""

from __future__ import annotations

import math
from datetime import timedelta

from ...engagement import Times
from ..wordings import length, number, percent
from .axes import LEAST, Chart, across, label, pixels, segment, share_of_axis, step_to, steps


def histogram(times: Times, name: str, title: str, note: str, *, noun: str, column: str) -> Chart:
    """The number of messages in each band between the curve's ages."""
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
        share = percent(one.count / times.n if times.n else None)
        bars.append(
            {
                "x": across((place + 0.1) / count),
                "w": across(0.8 / count),
                "mid": across((place + 0.5) / count),
                "segments": [segment("read", base - high, high)] if one.count else [],
                "labels": [
                    label(number(one.count), base - high - 6, "plain k2"),
                    label(
                        f"≤{length(one.up_to)}" if one.up_to else f">{length(one.above)}",
                        height - 2,
                        "" if (count - 1 - place) % 2 == 0 else "k2",
                    ),
                ],
                "count": number(one.count),
                "full": _band(one.above, one.up_to),
                "share": share,
                "so_far": percent(so_far / times.n if times.n else None),
                "tip": f"{_band(one.above, one.up_to)}: {number(one.count)} of {number(times.n)} "
                f"({share})",
            }
        )
    bounds = tuple(one.up_to for one in times.histogram if one.up_to)
    marks = []
    for span, what, y in ((times.p50, "half within", 26), (times.p90, "90% within", 10)):
        if span is not None:
            at = share_of_axis(span, bounds)
            marks.append(
                {"x": across(at), "y": y, "end": at > 0.5, "label": f"{what} {length(span)}"}
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
