from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_fd_whatsapp.fields import Timestamp

from .test_fields import ODD_VALUES, messages


def instant(moment: datetime, digits: str, offset: int) -> datetime | None:
    """The same instant in UTC, computed independently; ``None`` if there is none."""
    microseconds = int((digits + "000000")[:6])
    try:
        return moment.replace(microsecond=microseconds, tzinfo=UTC) - timedelta(minutes=offset)
    except OverflowError:
        return None


@given(
    moment=st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    digits=st.text(alphabet="0123456789", max_size=9),
    offset=st.integers(min_value=-1439, max_value=1439) | st.none(),
    is_lower=st.booleans(),
)
@example(datetime(1, 1, 1), "", 1439, False)
@example(datetime(1, 1, 1), "999999999", 0, False)
@example(datetime(9999, 12, 31, 23, 59, 59), "999999999", -1439, False)
@example(datetime(9999, 12, 31, 23, 59, 59), "999999999", None, True)
@example(datetime(2024, 2, 29), "1", 330, False)
def test_every_rfc_3339_time(
    moment: datetime, digits: str, offset: int | None, is_lower: bool
) -> None:
    """Every precision and offset gives the instant in UTC, with digits past the sixth cut off."""
    sign, minutes = "-" if offset and offset < 0 else "+", abs(offset or 0)
    zone = "Z" if offset is None else f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    text = f"{moment:%H:%M:%S}{'.' if digits else ''}{digits}{zone}"
    text = f"{moment.year:04}-{moment:%m-%d}T{text}"
    expected = instant(moment, digits, offset or 0)
    field = Timestamp()
    if expected is None:
        assert "RFC 3339" in messages(field, text)[0]
        return
    loaded = field.deserialize(text.lower() if is_lower else text)
    assert loaded == expected
    assert loaded.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-11-18",
        "2025-11-18T09:25:43",
        "2025-11-18T09:25:43.455",
        "2025-11-18T09:25Z",
        "2025-11-18T09Z",
        "2025-11-18  09:25:43Z",
        "2025-11-18\t09:25:43Z",
        "2025-11-18T09:25:43 Z",
        "2025-11-18T24:00:00Z",
        "2025-11-18T23:60:00Z",
        "2025-11-18T23:59:60Z",
        "2016-12-31T23:59:60Z",
        "2025-11-18T9:25:43Z",
        "2025-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-01-00T00:00:00Z",
        "2025-04-31T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
        "+2025-11-18T09:25:43Z",
        "-2025-11-18T09:25:43Z",
        "2025-11-18T09:25:43.Z",
        "2025-11-18T09:25:43,455Z",
        "2025-11-18T09:25:43.1234567890Z",
        "2025-11-18T09:25:43." + "1" * 30 + "Z",
        "2025-11-18T09:25:43+24:00",
        "2025-11-18T09:25:43+05:60",
        "2025-11-18T09:25:43+0530",
        "2025-11-18T09:25:43+05",
        "2025-11-18T09:25:43+05:30:00",
        "2025-11-18T09:25:43\u221205:30",
        "2025-11-18T09:25:43UTC",
        "2025-11-18T09:25:43ZZ",
        "20251118T092543Z",
        "2025-W47-2T09:25:43Z",
        "2025-322T09:25:43Z",
        "25-11-18T09:25:43Z",
        "18.11.2025 09:25:43",
        "1763457943.5",
        "-1763457943",
        "1" * 21,
        "\u0661763457943",
        "now",
        " 2025-11-18T09:25:43Z",
        "2025-11-18T09:25:43Z ",
        "2025-11-18T09:25:43Z\n",
        "2025-11-18T09:25:43Z\x00",
        "2025-11-18T09:25:43.45\ud800Z",
        "\u0662\u0660\u0662\u0665-\u0661\u0661-\u0661\u0668T\u0660\u0669:\u0662\u0665:\u0664\u0663Z",
        "2025-11-18T09:25:43.45\u0665Z",
        "2025-11-18T09:25:43.1234567\u0665Z",
        "\uff12025-11-18T09:25:43Z",
    ],
    ids=ascii,
)
def test_what_is_no_time(text: str) -> None:
    """Anything but a real instant as an RFC 3339 date-time is refused."""
    assert "RFC 3339 date-time, such as" in messages(Timestamp(), text)[0]


@pytest.mark.parametrize(
    "value",
    [*ODD_VALUES, datetime.now(UTC), float("inf"), float("nan"), 1e300, 10**400, -(10**15)],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_no_unix_time(value: Any) -> None:
    """Anything but a text or number of a real instant is refused."""
    assert "RFC 3339 date-time, such as" in messages(Timestamp(), value)[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1763457945, datetime(2025, 11, 18, 9, 25, 45, tzinfo=UTC)),
        ("1763457945", datetime(2025, 11, 18, 9, 25, 45, tzinfo=UTC)),
        (1763457945.885, datetime(2025, 11, 18, 9, 25, 45, 885000, tzinfo=UTC)),
        (1763457945885, datetime(2025, 11, 18, 9, 25, 45, 885000, tzinfo=UTC)),
        (1763457945885.0, datetime(2025, 11, 18, 9, 25, 45, 885000, tzinfo=UTC)),
        ("1763457945885", datetime(2025, 11, 18, 9, 25, 45, 885000, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (10**11 - 1, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (10**11, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
    ],
)
def test_unix_times(value: Any, expected: datetime) -> None:
    """Unix time is accepted in seconds, and from 10^11 on in milliseconds, as number or digits."""
    assert Timestamp().deserialize(value) == expected


def test_blank_for_the_t() -> None:
    """A space may replace the T."""
    expected = Timestamp().deserialize("2025-11-18T09:25:45.885Z")
    assert Timestamp().deserialize("2025-11-18 09:25:45.885z") == expected


@given(st.datetimes(timezones=st.none() | st.just(timezone(timedelta(minutes=330)))))
@example(datetime(1, 1, 2))
@example(datetime(2025, 1, 1, microsecond=1))
def test_times_are_written_in_utc(moment: datetime) -> None:
    """A time is dumped with Z, and loads to the same instant with all its microseconds."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    text = Timestamp().serialize("at", {"at": moment})
    assert text.endswith("Z")
    assert Timestamp().deserialize(text) == expected
