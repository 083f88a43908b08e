"""Small bars in a cell of a table."""

from __future__ import annotations

from collections.abc import Sequence

from .axes import LEAST, Chart, pixels


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
