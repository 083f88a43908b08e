from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from flask_fd_whatsapp.engagement.export import cell

BLANKS = ("", " ", "\u00a0", "\ufeff", "\u200b ")
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n1", "\uff1d1", "|cmd", "%x")


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_text(blank: str, text: str) -> None:
    """A formula is prefixed with an apostrophe, whatever whitespace precedes it."""
    assert cell(blank + text) == f"'{blank}{text}"


def test_other_text_stays() -> None:
    """Other text is what it was, save for what no file of text can hold."""
    assert [cell(one) for one in ("a-b", "", "1=1", "a\x00b")] == ["a-b", "", "1=1", "a\ufffdb"]


def test_other_values_stay() -> None:
    """Numbers are no formulas, times are in UTC, durations in seconds, and nothing is empty."""
    noon = datetime(2026, 11, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    given = (-1, None, True, False, 0.5, noon, date(2026, 11, 1), timedelta(minutes=1))
    made = [-1, "", "yes", "no", 0.5, "2026-11-01T12:00:00.000000Z", "2026-11-01", 60.0]
    assert [cell(one) for one in given] == made
