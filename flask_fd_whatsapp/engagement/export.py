"""Exports for spreadsheets: rows of figures and of messages, safe against formula injection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from .definitions import COUNTS, RATES, WAYS
from .figures import Figures
from .results import Engagement

MESSAGE_HEAD: Final = (
    "account",
    "message",
    "reference",
    "campaign",
    "template",
    "status",
    "queued_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "failed_at",
    "failure_code",
    "failure_text",
    "failure_class",
    "advice",
    "permanent",
    "arrived_all_the_same",
    "source",
    "estimated",
)
"""The columns of a message, in order."""

_ACTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", *"\uff1d\uff0b\uff0d\uff20")
"""The characters with which a cell begins that some spreadsheet evaluates as a formula."""

_BLANK: Final = " \u00a0\ufeff\u200b"
"""Characters that may precede them."""


def cell(value: Any) -> Any:
    """Return a value as a cell; text that could be taken for a formula is prefixed with a quote."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case str():
            text = value.replace("\x00", "\ufffd")
            return f"'{text}" if text.lstrip(_BLANK).startswith(_ACTS) else text
    return value


def group_cells(key: Any, by: tuple[str, ...]) -> list[Any]:
    """Return a group's key, one cell per dimension (two for failures); hours have their offset."""
    cells: list[Any] = []
    for name, one in zip(by, key if len(by) > 1 else (key,), strict=True):
        if name == "failure":
            cells += ["", ""] if one is None else [str(one[0]), cell(one[1])]
        elif name == "hour":
            cells.append(one.isoformat())
        else:
            cells.append(cell(one))
    return cells


def table_of(engagement: Engagement) -> Iterator[list[Any]]:
    """Return a header, a row for each group, and one for the total."""
    heads: list[str] = []
    for name in engagement.by:
        heads += ["failure_class", "failure_code"] if name == "failure" else [name]
    has_times = engagement.total.curve is not None
    yield [*(heads or ["group"]), *_figure_heads(has_times)]
    for key, figures in engagement.groups.items():
        yield [*group_cells(key, engagement.by), *_figure_cells(figures, has_times)]
    total = ["total", *[""] * (len(heads) - 1)]
    yield [*total, *_figure_cells(engagement.total, has_times)]


def _figure_heads(has_times: bool) -> list[str]:
    rates = [f"{name}{part}" for name in RATES for part in ("", "_low", "_high")]
    times = [f"{way.name}_{part}" for way in WAYS for part in ("n", "p50", "p90", "p99")]
    return ["known", *COUNTS, "young", "returned", *rates, *(times if has_times else [])]


def _figure_cells(figures: Figures, has_times: bool) -> Iterator[Any]:
    for name in ("known", *COUNTS, "young", "returned"):
        yield getattr(figures, name)
    for name in RATES:
        rate = getattr(figures, name)
        yield from (cell(value) for value in (rate.value, rate.low, rate.high))
    if has_times:
        for way in WAYS:
            times = getattr(figures, way.name)
            yield from (times.n, cell(times.p50), cell(times.p90), cell(times.p99))
