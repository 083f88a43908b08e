from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from flask_fd_whatsapp.engagement.groups import Calendar, dimensions_of, midpoint
from flask_fd_whatsapp.time_zones import zone_of

SUMMER_ENDS = datetime(2026, 10, 25, 1, tzinfo=UTC)  # in Berlin


def test_hours_that_come_twice_stay_apart() -> None:
    """The hour that is repeated in autumn is two hours."""
    calendar = Calendar("hour", zone_of("Europe/Berlin"))
    before = calendar.span_of(SUMMER_ENDS - timedelta(microseconds=1))
    after = calendar.span_of(SUMMER_ENDS)
    assert before.key != after.key
    assert isinstance(before.key, datetime)
    assert isinstance(after.key, datetime)
    assert before.key.isoformat() == "2026-10-25T02:00:00+02:00"
    assert after.key.isoformat() == "2026-10-25T02:00:00+01:00"
    assert (before.start, before.end, after.end) == (
        SUMMER_ENDS - timedelta(hours=1),
        SUMMER_ENDS,
        SUMMER_ENDS + timedelta(hours=1),
    )


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Asia/Beirut", date(2024, 3, 31), 23),  # whose midnight there was not
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kathmandu", date(2026, 1, 1), 24),
        ("UTC", date(2026, 1, 1), 24),
    ],
)
def test_days_are_as_long_as_they_are(zone: str, day: date, hours: float) -> None:
    """A day is from its first instant to that of the next, daylight saving and all."""
    noon = midpoint(day, zone_of(zone))
    span = Calendar("day", zone_of(zone)).span_of(noon)
    assert span.key == day
    assert span.end - span.start == timedelta(hours=hours)


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"],
)
@pytest.mark.parametrize("unit", ["day", "hour"])
def test_every_moment_has_the_span_that_python_tells(zone: str, unit: str) -> None:
    """Asked in any order, each moment of a year lies in the day and hour of its local time."""
    local = zone_of(zone)
    calendar = Calendar(unit, local)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for minutes in range(0, 366 * 24 * 60, 1007):
        moment = start + timedelta(minutes=minutes * 31 % (366 * 24 * 60))
        span = calendar.span_of(moment)
        assert span.start <= moment < span.end
        there = moment.astimezone(local)
        if unit == "day":
            assert span.key == there.date()
        else:
            assert isinstance(span.key, datetime)
            assert span.key.isoformat() == there.isoformat()[:14] + "00:00" + there.isoformat()[-6:]


def test_days_that_a_zone_left_out_are_empty() -> None:
    """Samoa went from the 29th to the 31st."""
    calendar = Calendar("day", zone_of("Pacific/Apia"))
    last = calendar.span_of(datetime(2011, 12, 30, 9, 59, tzinfo=UTC))
    following = calendar.span_of(datetime(2011, 12, 30, 10, tzinfo=UTC))
    assert (last.key, following.key) == (date(2011, 12, 29), date(2011, 12, 31))
    assert last.end <= following.start


def test_the_ends_of_the_calendar_do_no_harm() -> None:
    """Moments that have no local time are in the day that they are in by UTC."""
    calendar = Calendar("day", zone_of("America/New_York"))
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert calendar.span_of(first).key == date(1, 1, 1)


def test_unknown_zones_and_dimensions_are_errors() -> None:
    """The error says what there is."""
    with pytest.raises(ValueError, match="Europe/Berlin"):
        zone_of("Mars/Base")
    with pytest.raises(ValueError, match="campaign, day, hour"):
        dimensions_of("weather")
    with pytest.raises(ValueError, match="pair"):
        dimensions_of(("day", "hour", "account"))
    assert dimensions_of(None) == ()
    assert dimensions_of(["day", "failure"]) == ("day", "failure")
