"""A report as a support lead reads it: rates with their denominators, bars, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ..engagement import Comparison, Engagement, Figures, Rate, Times
from ..engagement.definitions import YOUNG
from ..escaping import plain, short
from .periods import period_in_words

CODE: Final = 40
"""The characters of a failure's code that a table shows: the vendor's have six."""

Table = tuple[Sequence[str], Sequence[Sequence[str]]]

BAR: Final = 20
"""The number of characters of a full bar."""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_NO_GROUP: Final = {
    "campaign": "(no campaign)",
    "template": "(no template)",
    "failure": "(not failed)",
}


def per_cent(value: float | None) -> str:
    """Format a share with one decimal; 0 % and 100 % only if exact."""
    if value is None:
        return "-"
    if value in (0, 1):
        return f"{value:.0%}"
    if value < 0.0005:
        return "<0.1%"
    return ">99.9%" if value >= 0.9995 else f"{value:.1%}"


def bar(share: float | None) -> str:
    """Format a share as a bar; anything above 0 is visible."""
    if not share:
        return ""
    eighths = max(round(share * BAR * 8), 1)
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def long(length: timedelta | None) -> str:
    """Format a duration in its two largest units, with milliseconds below ten seconds."""
    if length is None:
        return "-"
    seconds = length.total_seconds()
    if seconds < 10:
        return f"{seconds:.3g} s"
    for size, unit, less in ((86400, "d", "h"), (3600, "h", "min"), (60, "min", "s")):
        if seconds >= size:
            whole, rest = divmod(round(seconds), size)
            rest //= {"h": 3600, "min": 60, "s": 1}[less]
            return f"{whole} {unit} {rest} {less}" if rest else f"{whole} {unit}"
    return f"{seconds:.0f} s"


def of(rate: Rate, noun: str) -> str:
    """Format a rate with its denominator and interval."""
    if rate.value is None:
        return f"- of 0 {noun}"
    return (
        f"{per_cent(rate.value)} of {rate.denominator:,} {noun} "
        f"({per_cent(rate.low)} to {per_cent(rate.high)})"
    )


def name_of(key: Any, by: tuple[str, ...]) -> str:
    """Format the name of a group."""
    keys = key if len(by) > 1 else (key,)
    return ", ".join(plain(_name(one, name)) for one, name in zip(keys, by, strict=True))


def _name(key: Any, dimension: str) -> str:
    if key is None:
        return _NO_GROUP.get(dimension, "-")
    if isinstance(key, datetime):
        return key.strftime("%Y-%m-%d %H:%M %z")
    if isinstance(key, tuple):
        return f"{key[0]}: {key[1] or 'no code'}"
    return str(key)


def notes(engagement: Engagement) -> Iterator[str]:
    """Yield the notes needed to read the figures."""
    total = engagement.total
    if total.young:
        hours = YOUNG // timedelta(hours=1)
        yield f"Not final: {total.young:,} messages are younger than {hours} h."
    if total.read or total.delivered:
        yield (
            "READ depends on read receipts, which recipients can switch off: the read rate is a "
            "lower bound."
        )
    if engagement.folded_days:
        yield f"{total.folded:,} messages are pruned: they count by their day, times within 5%."
    if engagement.not_by_hour:
        yield f"{engagement.not_by_hour:,} messages are left out: pruned, so their hour is unknown."
    if total.returned:
        yield f"{total.returned:,} messages returned after they were pruned: not counted."


def title(engagement: Engagement) -> str:
    """Return the title of a report."""
    return f"Messages sent {period_in_words(engagement.since, engagement.until, engagement.tz)}"


def tables(engagement: Engagement) -> Iterator[tuple[str, Table]]:
    """The report as tables, each with its title."""
    yield "", _stages(engagement.total)
    if engagement.by:
        yield f"By {' and '.join(engagement.by)}", _groups(engagement)
    if engagement.total.curve is not None:
        yield "Times (WhatsApp's clock)", _times(engagement.total)
        yield (
            "Within this time of being sent, of those submitted and old enough",
            _curve(engagement),
        )
    if engagement.total.failures:
        yield "Failures", _failures(engagement.total)


def _stages(one: Figures) -> Table:
    known = one.known or 1
    rows = [
        ("known", one.known, ""),
        ("submitted", one.submitted, of(one.submission_rate, "known")),
        ("delivered", one.delivered, of(one.delivery_rate, "submitted")),
        ("read", one.read, of(one.read_rate, "delivered")),
        ("failed", one.failed, of(one.failure_rate, "known")),
        ("pending", one.pending, _pending(one)),
    ]
    heads = ("", "messages", "", "rate (95% interval)")
    return heads, [(name, f"{count:,}", bar(count / known), text) for name, count, text in rows]


def _pending(one: Figures) -> str:
    parts = ((one.awaiting, "without an answer yet"), (one.queued, "queued"))
    said = [f"{count:,} {word}" for count, word in (*parts, (one.unheard, "unheard")) if count]
    return ", ".join(said)


def _groups(engagement: Engagement) -> Table:
    heads = (
        *(" and ".join(engagement.by),),
        "messages",
        "delivered",
        "",
        "read",
        "",
        "failed",
        "pending",
    )
    rows = [
        (
            short(name_of(key, engagement.by)),
            f"{one.known:,}",
            f"{per_cent(one.delivery_rate.value)} of {one.submitted:,}",
            bar(one.delivery_rate.value),
            f"{per_cent(one.read_rate.value)} of {one.delivered:,}",
            bar(one.read_rate.value),
            f"{one.failed:,} ({per_cent(one.failure_rate.value)})",
            f"{one.pending:,}",
        )
        for key, one in engagement.groups.items()
    ]
    return heads, rows


def _times(one: Figures) -> Table:
    given = (
        ("queued to sent", one.time_to_submit),
        ("sent to delivered", one.time_to_deliver),
        ("delivered to read", one.time_to_read),
        ("sent to read", one.sent_to_read),
    )
    heads = ("", "measured", "half within", "90% within", "99% within", "left out")
    return heads, [_time(name, times) for name, times in given if times is not None]


def _time(name: str, times: Times) -> Sequence[str]:
    ranks = (times.p50, times.p90, times.p99)
    return (name, f"{times.n:,}", *map(long, ranks), f"{times.left_out:,}")


def _curve(engagement: Engagement) -> Table:
    points = engagement.total.curve or ()
    rows = [
        (
            long(point.age),
            f"{point.n:,}" + ("" if point.n == engagement.total.submitted else " *"),
            per_cent(point.delivered.value),
            bar(point.delivered.value),
            per_cent(point.read.value),
            bar(point.read.value),
        )
        for point in points
        if point.n
    ]
    return ("within", "as old", "delivered", "", "read", ""), rows


def _failures(one: Figures) -> Table:
    heads = ("class", "code", "messages", "share", "what to do")
    rows = [
        (
            str(failure.failure_class),
            short(failure.code or "-", CODE),
            f"{failure.count.numerator:,}",
            per_cent(failure.count.value),
            _short(failure.advice)
            if failure.failure_class != "unknown"
            else _unknown(failure.text),
        )
        for failure in one.failures
    ]
    return heads, rows


def _short(advice: str) -> str:
    """Return what to do, without the reason: a row has no room for both."""
    return f"{advice.partition(': ')[0].rstrip('.')}."


def _unknown(text: str | None) -> str:
    return f"Freshdesk says: {short(text)}" if text else "Nothing more is known about it."


def comparisons(compared: Iterable[Comparison], a: str, b: str) -> Table:
    """Two groups, rate by rate."""
    rows = [
        (
            one.rate.replace("_", " "),
            f"{per_cent(one.a.value)} of {one.a.denominator:,}",
            f"{per_cent(one.b.value)} of {one.b.denominator:,}",
            _points(one.difference),
            f"{_points(one.low)} to {_points(one.high)}",
            "may be chance" if one.may_be_chance else "",
        )
        for one in compared
    ]
    return ("rate", plain(a), plain(b), "difference", "95% interval", ""), rows


def _points(value: float | None) -> str:
    """One decimal, or two where that would be nothing but zeros."""
    if value is None:
        return "-"
    return f"{value * 100:+.{2 if 0 < abs(value) < 0.0005 else 1}f} points"
