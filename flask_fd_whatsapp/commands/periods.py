"""Periods as people write them, in a time zone that is always named."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import click

from ..durations import parse_duration
from ..engagement.groups import local_time
from ..escaping import quoted
from ..time_zones import zone_of

_MONTH: Final = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


def zone_option(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return the chosen time zone, else ``TZ``, else UTC."""
    if value is not None:
        try:
            zone_of(value)
        except ValueError as error:
            raise click.BadParameter(str(error), context, parameter) from None
        return value
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        zone_of(name)
    except ValueError:
        return "UTC"
    return name


def beginning(text: str | None, zone: tzinfo, option: str) -> datetime | None:
    """Parse the beginning of a period: ``today``, ``yesterday``, ``2026-11``, a date or time in the
    zone, or how long ago, such as ``7d``.

    :param option: the option that it was passed to, for the error message.
    :raises click.BadParameter: if it is none of these.
    """
    if text is None:
        return None
    now = datetime.now(UTC)
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    said = text.strip().lower()
    try:
        if said in ("today", "yesterday"):
            moment = midnight - timedelta(days=said == "yesterday")
        elif (ago := parse_duration(said)) is not None:
            moment = now - ago
        else:
            month = _MONTH.fullmatch(said)
            moment = datetime.fromisoformat(f"{said}-01" if month else text.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        moment.astimezone(zone)  # as it is shown
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{quoted(text)} is not a period: write today, yesterday, 7d (days ago), 2026-11, "
            "2026-11-01, or 2026-11-01T09:30.",
            param_hint=option,
        ) from None


def period(
    since: str | None, until: str | None, zone: tzinfo
) -> tuple[datetime | None, datetime | None]:
    """Return the period of ``--since`` and ``--until``; see :func:`beginning` and
    :func:`in_order`."""
    return in_order(beginning(since, zone, "--since"), beginning(until, zone, "--until"))


def in_order(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return both moments.

    :raises click.UsageError: if the period ends before it begins.
    """
    if since is not None and until is not None and until < since:
        raise click.UsageError("--until is before --since, so nothing can be in between.")
    return since, until


def period_in_words(since: datetime | None, until: datetime | None, tz: str) -> str:
    """Describe a period in its time zone."""
    zone = zone_of(tz)

    def said(moment: datetime) -> str:
        return local_time(moment, zone).strftime("%Y-%m-%d %H:%M")

    start = f"from {said(since)}" if since else "from the first on"
    end = f"to {said(until)}" if until else "until now"
    return f"{start} {end} ({tz})"
