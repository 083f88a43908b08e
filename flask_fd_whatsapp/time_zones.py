"""Time zones by their names."""

from __future__ import annotations

from datetime import UTC, tzinfo


def zone_of(name: str) -> tzinfo:
    """Return the time zone with that name.

    :raises ValueError: if it is unknown.
    """
    if name == "UTC":  # which needs no time zone database
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # slow to import

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is not a time zone known here: write one such as Europe/Berlin or UTC (if "
            "the system has none, `pip install tzdata` installs them)."
        ) from None
