"""Durations, moments and ids as typed on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from flask_fd_whatsapp.commands.parameters import Duration, EventId, Moment


def convert(kind: click.ParamType, text: str) -> object:  # type: ignore[type-arg]
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1w", timedelta(weeks=1)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("0s", timedelta()),
    ],
)
def test_reads_a_length_of_time(text: str, length: timedelta) -> None:
    """A duration consists of numbers with units."""
    assert convert(Duration(), text) == length


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2 h", "-2h", "2y", "2.5h", "\u0662h", "999999999w"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    """Anything else is refused with examples of what to write."""
    with pytest.raises(click.BadParameter, match="1d12h"):
        convert(Duration(), text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-11-18", datetime(2025, 11, 18, tzinfo=UTC)),
        ("2025-11-18T09:30", datetime(2025, 11, 18, 9, 30, tzinfo=UTC)),
        ("2025-11-18 09:30:05.5", datetime(2025, 11, 18, 9, 30, 5, 500000, tzinfo=UTC)),
        ("2025-11-18T09:30Z", datetime(2025, 11, 18, 9, 30, tzinfo=UTC)),
        ("2025-11-18T09:30+02:00", datetime(2025, 11, 18, 7, 30, tzinfo=UTC)),
    ],
)
def test_reads_a_moment(text: str, moment: datetime) -> None:
    """A moment is ISO 8601, in UTC unless it says otherwise."""
    assert convert(Moment(), text) == moment


def test_reads_how_long_ago() -> None:
    """A duration means that long ago."""
    before = datetime.now(UTC)
    moment = convert(Moment(), "2h")
    assert before - timedelta(hours=2) <= moment <= datetime.now(UTC) - timedelta(hours=2)  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2025-13-01", "0001-01-01T00:00+23:59", "99999999w", "123456w"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    """Anything else is refused with examples of what to write."""
    with pytest.raises(click.BadParameter, match="2025-11-18T09:30"):
        convert(Moment(), text)


def test_reads_an_id() -> None:
    """An id is a number from 1 to the largest of databases."""
    assert convert(EventId(), "4711") == 4711
    assert convert(EventId(), str(2**63 - 2)) == 2**63 - 2


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1.0", "\u0661", str(2**63 - 1), "9" * 5000])
def test_what_is_no_id_is_refused(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(click.BadParameter, match="is not an id"):
        convert(EventId(), text)
