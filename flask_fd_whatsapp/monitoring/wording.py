"""Counts and durations in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def many(count: int, thing: str) -> str:
    """A number of things, such as ``1 event`` or ``2 events``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def span(length: timedelta) -> str:
    """A duration in its two largest units, such as ``2h5m``."""
    seconds = max(round(length.total_seconds()), 0)
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        parts.append((count, unit))
    while len(parts) > 1 and not parts[0][0]:
        del parts[0]
    return "".join(f"{count}{unit}" for count, unit in parts[:2] if count) or "0s"
