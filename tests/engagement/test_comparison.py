from __future__ import annotations

from datetime import timedelta

import pytest

from flask_fd_whatsapp.engagement import Figures, Rate, compare

from .naive import NOW, Journey
from .test_accumulator import accumulate, read

DAY = timedelta(hours=24)


def figures(sent: timedelta, took: timedelta, *, times: bool = True) -> Figures:
    """Figures of one message, sent this long ago and delivered after this long."""
    at = NOW - sent
    known = [Journey("M", times={"SENT": at, "DELIVERED": at + took})]
    return accumulate(known, times=times).tally(None).figures(read)


def test_two_groups_are_compared() -> None:
    """A rate of two groups is compared as it stands."""
    quick, slow = figures(3 * DAY, timedelta(seconds=5)), figures(3 * DAY, 2 * DAY)
    compared = compare(quick, slow, "delivery_rate")
    assert (compared.a, compared.b) == (Rate(1, 1), Rate(1, 1))


def test_at_equal_age() -> None:
    """With an age, the messages' states at that age are compared, for those at least that old."""
    quick, slow = figures(3 * DAY, timedelta(seconds=5)), figures(3 * DAY, 2 * DAY)
    compared = compare(quick, slow, "delivery_rate", age=DAY)
    assert (compared.a, compared.b) == (Rate(1, 1), Rate(0, 1))
    young = figures(DAY / 2, timedelta(seconds=5))
    assert compare(young, slow, "delivery_rate", age=DAY).a == Rate(0, 0)
    assert compare(quick, slow, "read_rate", age=DAY).a == Rate(0, 1)


def test_what_cannot_be_compared_is_an_error() -> None:
    """The error names the known rates or ages."""
    one = figures(3 * DAY, DAY)
    with pytest.raises(ValueError, match="the rates are submission_rate, delivery_rate"):
        compare(one, one, "luck")
    with pytest.raises(ValueError, match="has no curve"):
        compare(one, one, "failure_rate", age=DAY)
    with pytest.raises(ValueError, match="its ages are 0:01:00"):
        compare(one, one, "read_rate", age=2 * DAY)
    with pytest.raises(ValueError, match="times=True"):
        compare(one, figures(DAY, DAY, times=False), "read_rate", age=DAY)
