from __future__ import annotations

from datetime import date, timedelta

import pytest

from flask_fd_whatsapp.dashboard.charts import bars_by_day, funnel, outcomes
from flask_fd_whatsapp.ledger import MemoryLedger

FIRST = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("days", "everywhere", "narrower"),
    [
        (7, [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]),
        (12, [1, 3, 5, 7, 9, 11], list(range(12))),
        (31, [2, 6, 10, 14, 18, 22, 26, 30], list(range(0, 31, 2))),
    ],
)
def test_labels_are_dropped_evenly(days: int, everywhere: list[int], narrower: list[int]) -> None:
    """If there is no room for all, the remaining labels are evenly spread, and the last stays."""
    bars = bars_by_day({}, FIRST, FIRST + timedelta(days=days - 1))
    styles = [bar["labels"][0]["style"] for bar in outcomes(bars, "o", "", "", unit="day")["bars"]]
    assert [place for place, style in enumerate(styles) if style == ""] == everywhere
    assert [place for place, style in enumerate(styles) if "k3" not in style] == narrower


def test_a_rate_of_nothing_is_not_drawn() -> None:
    """A stage that no message has reached has a count but no rate."""
    total = MemoryLedger().engagement().total
    assert [row["rate"] for row in funnel(total, "f", "", "")["rows"]] == [None] * 4
