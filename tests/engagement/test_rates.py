from __future__ import annotations

import pytest

from flask_fd_whatsapp.engagement import Comparison, Rate


def test_the_interval_of_a_rate_is_wilsons() -> None:
    """The interval is Wilson's at 95 %."""
    rate = Rate(81, 263)
    assert (rate.low, rate.high) == (
        pytest.approx(0.2553, abs=5e-5),
        pytest.approx(0.3662, abs=5e-5),
    )


@pytest.mark.parametrize("of", [1, 7, 1_000_000])
def test_none_and_all_are_exact(of: int) -> None:
    """The interval begins at exactly 0 where none did, and ends at exactly 1 where all did."""
    assert Rate(0, of).low == 0
    assert Rate(of, of).high == 1
    assert 0 < (Rate(0, of).high or 0) < 1
    assert 0 < (Rate(of, of).low or 0) < 1


def test_of_nothing_there_is_no_rate() -> None:
    """A rate of nothing has neither a value nor an interval."""
    rate = Rate(0, 0)
    assert rate.value is rate.low is rate.high is None


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """The interval of a difference is Newcombe's at 95 %."""
    comparison = Comparison("read_rate", Rate(56, 70), Rate(48, 80))
    assert comparison.difference == pytest.approx(0.2)
    assert comparison.low == pytest.approx(0.0524, abs=5e-5)
    assert comparison.high == pytest.approx(0.3339, abs=5e-5)
    assert not comparison.may_be_chance


def test_a_difference_may_be_chance() -> None:
    """It says if the interval contains 0, or there is nothing to compare."""
    assert Comparison("read_rate", Rate(5, 10), Rate(4, 10)).may_be_chance
    nothing = Comparison("read_rate", Rate(5, 10), Rate(0, 0))
    assert nothing.difference is nothing.low is nothing.high is None
    assert nothing.may_be_chance
    assert nothing.to_dict()["b"]["value"] is None
