"""Parameter types of the commands: durations, moments, ids."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from ..durations import parse_duration
from ..escaping import quoted

OFF: Final = "off"

LARGEST: Final = 2**63 - 2
"""The largest id of a database, minus the one that is added to search for it, or for more rows."""


class Count(click.IntRange):
    """How many: from 1 to :data:`LARGEST`, which the help text leaves out."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        number = int(super().convert(value, param, ctx))
        if number > LARGEST:
            self.fail(f"{quoted(value)} is more than there can be.", param, ctx)
        return number


AT_MOST: Final = Count()

_LONGEST: Final = timedelta(days=100 * 365)


class _FiniteRange(click.FloatRange):
    """A range of numbers, without ``nan`` and ``inf``."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{quoted(value)} is not a finite number.", param, ctx)
        return number


POSITIVE: Final = _FiniteRange(min=0, min_open=True)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """A duration such as ``90s``, ``15m``, ``2h``, ``3d`` or ``1d12h``."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration as a ``timedelta``."""
        if isinstance(value, timedelta):
            return value
        length = parse_duration(value)
        if length is None or length > _LONGEST:
            self.fail(
                f"{quoted(value)} is not a length of time of up to {_LONGEST.days}d: write 90s, "
                "15m, 2h, 3d or 1d12h.",
                param,
                ctx,
            )
        return length


class OrOff(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """Another type's values, or ``off``.

    :param wanted: what to write, in words.
    """

    def __init__(self, kind: click.ParamType, wanted: str) -> None:  # type: ignore[type-arg]
        self._kind = kind
        self._wanted = wanted
        self.name = f"{kind.name}|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, or ``"off"``."""
        if value == OFF:
            return OFF
        try:
            return self._kind.convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{quoted(value)} is not {self._wanted}, or off.", param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """A moment: ISO 8601 (UTC by default), or how long ago, such as ``2h``."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment as an aware ``datetime`` in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            ago = parse_duration(value)
            if ago is not None:
                return datetime.now(UTC) - ago
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{quoted(value)} is not a moment: write one such as 2025-11-18, "
                "2025-11-18T09:30 (UTC), 2025-11-18T09:30+02:00, or how long ago, such as 2h or "
                "3d.",
                param,
                ctx,
            )


class EventId(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """The ledger's id of an event or an entry in quarantine."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            self.fail(
                f"{quoted(value)} is not an id: ids are the numbers that the lists show.",
                param,
                ctx,
            )
        if not 1 <= int(text) <= LARGEST:
            self.fail(f"{quoted(value)} is not an id: it is out of range.", param, ctx)
        return int(text)
