"""Durations as people write them: ``90s``, ``15m``, ``2h``, ``7d`` or ``1d12h``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(?:\d{1,9}[smhdw])+", re.ASCII)
_PART: Final = re.compile(r"(\d+)([smhdw])", re.ASCII)


def parse_duration(text: str) -> timedelta | None:
    """Parse a duration; return ``None`` if *text* is not one."""
    if not _DURATION.fullmatch(text):
        return None
    try:
        return sum(
            (timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _PART.findall(text)),
            timedelta(),
        )
    except OverflowError:
        return None
