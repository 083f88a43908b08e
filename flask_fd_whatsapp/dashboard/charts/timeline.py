"""The chart of a message's events, on a logarithmic time scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..wordings import length
from .axes import Chart, across

ZERO: Final = 0.012

_TICKS: Final = (
    (0, "0", ""),
    (1, "1 s", "k2"),
    (10, "10 s", ""),
    (60, "1 min", ""),
    (600, "10 min", "k2"),
    (3600, "1 h", ""),
    (21600, "6 h", "k2"),
    (86400, "1 d", ""),
    (604800, "7 d", "k2"),
    (2592000, "30 d", ""),
)

_KINDS: Final = {
    "QUEUED": "awaiting",
    "SENT": "awaiting",
    "DELIVERED": "delivered",
    "READ": "read",
    "FAILED": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An event on the time line.

    :param after: seconds since the first event, by WhatsApp's clock.
    :param lag: seconds until it was received; ``None`` if Freshdesk was asked for it.
    :param guessed_from: the last known time before it, if its own is estimated.
    :param marks: ``late``, ``stale``, ``superseded``, ``estimated``.
    """

    status: str
    after: float
    lag: float | None
    guessed_from: float | None
    marks: Sequence[str]


def timeline(steps: Sequence[Step], name: str, title: str, note: str) -> Chart:
    """A lane for each event: when its status was reached, and when it was received."""
    last = max([1.0, *(step.after + max(step.lag or 0, 0) for step in steps)]) * 1.15

    def at(seconds: float) -> float:
        return ZERO + 0.976 * math.log10(1 + max(seconds, 0)) / math.log10(1 + last)

    rows = []
    for place, step in enumerate(steps):
        reached = at(step.after)
        received = None if step.lag is None else at(step.after + step.lag)
        is_apart = received is not None and received - reached > 0.004
        rows.append(
            {
                "status": step.status,
                "kind": _KINDS.get(step.status, "awaiting"),
                "after": f"after {length(step.after)}" if place else "",
                "marks": step.marks,
                "x": across(reached),
                "y": 14 + place * 46,
                "received": across(received) if is_apart and received is not None else None,
                "guessed_from": None
                if step.guessed_from is None
                else across(at(step.guessed_from)),
                "tip": _tip(step),
            }
        )
    ticks = [
        {
            "x": across(at(seconds)),
            "label": label,
            "zero": not seconds,
            "k": k,
            "last": at(seconds) > 0.97,
        }
        for seconds, label, k in _TICKS
        if seconds <= last
    ]
    return {
        "id": name,
        "title": title,
        "note": note,
        "rows": rows,
        "ticks": ticks,
        "zero": across(ZERO),
        "height": 30 + len(steps) * 46,
        "desc": " ".join(f"{row['tip']}." for row in rows),
    }


def _tip(step: Step) -> str:
    reached = f"{step.status} {length(step.after)} after the first event"
    if step.lag is None:
        return f"{reached} at the latest, as Freshdesk said when it was asked"
    return f"{reached}, received {length(step.lag)} later"
