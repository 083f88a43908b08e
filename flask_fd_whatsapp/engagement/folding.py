"""Folds pruned messages into aggregates, by day, account, receiver, campaign, template and failure.

Each message is in exactly one aggregate. Its durations are kept in buckets; the counts behind the
curve, the histograms and the late deliveries stay exact.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, NamedTuple

from .accumulator import Accumulator
from .definitions import OTHER, YOUNG, is_failed
from .elapsed import AGE_SECONDS, Elapsed
from .facts import Facts, TimeFormat, reached_by
from .figures import OTHER_CODES
from .groups import Calendar
from .tally import BINS, CELLS, FailureTally, Tally

CODES: Final = 50
"""How many error codes are kept apart within an otherwise equal key; the others are merged."""

CAMPAIGNS: Final = 1000
"""How many campaigns of a day are kept apart; the others are merged."""

REASON: Final = "="
"""The prefix of a failed message's code, which distinguishes a failure without a code from none."""

_MAX_CODE: Final = 200
_OTHER: Final = "other"
_OLD: Final = datetime(9999, 1, 1, tzinfo=UTC)


class FoldKey(NamedTuple):
    """The aggregate that a message belongs to; missing values are empty text.

    :param starts_at: when its day began (UTC).
    :param ends_at: when its day ended.
    :param code: :data:`REASON` and the code of its error, if it failed.
    """

    starts_at: datetime
    ends_at: datetime
    account: str
    receiver: str
    campaign: str
    template: str
    code: str

    @property
    def digest(self) -> str:
        """A digest of 32 characters that identifies this key."""
        parts = [*(moment.isoformat() for moment in self[:2]), *self[2:]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def midpoint(self) -> datetime:
        """The moment that places it in a period, and in the days of another time zone."""
        return self.starts_at + (self.ends_at - self.starts_at) / 2


def fold(
    rows: Iterable[Sequence[Any]], zone: tzinfo, time_format: TimeFormat
) -> dict[FoldKey, Tally]:
    """Sum up messages' rows (see :class:`.Facts`) by key; returned messages are dropped.

    :param zone: the time zone of the days.
    """
    calendar = Calendar("day", zone)

    def key_of(row: Sequence[Any]) -> FoldKey:
        facts = Facts._make(row)
        moment = time_format.read(facts.sent_on)
        span = calendar.span_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        return FoldKey(
            span.start,
            span.end,
            facts.account_id,
            facts.receiver or "",
            facts.campaign or "",
            facts.template or "",
            code_of(facts),
        )

    counted = Accumulator(
        by=(), zone=zone, as_of=_OLD, times=True, own_classes={}, format=time_format, key_of=key_of
    )
    counted.add([row for row in rows if not Facts._make(row).is_returned])
    return counted.groups


def code_of(facts: Facts) -> str:
    """Return a failed message's code as it is in a key."""
    if not is_failed(reached_by(facts)):
        return ""
    code = facts.error_code or ""
    return REASON + (code if len(code) <= _MAX_CODE else OTHER_CODES)


def within_bounds(groups: dict[FoldKey, Tally], known: Collection[FoldKey]) -> dict[FoldKey, Tally]:
    """Merge the keys beyond the limits :data:`CODES` and :data:`CAMPAIGNS`.

    :param known: the keys of these days that exist already.
    """
    campaigns: defaultdict[Any, set[str]] = defaultdict(set)
    codes: defaultdict[Any, set[str]] = defaultdict(set)
    for key in known:
        campaigns[key[:2]].add(key.campaign)
        codes[key[:6]].add(key.code)
    bounded: dict[FoldKey, Tally] = {}
    for key, tally in sorted(groups.items(), key=lambda group: group[0]):
        if not _has_room(campaigns[key[:2]], key.campaign, CAMPAIGNS):
            key = key._replace(campaign=OTHER_CODES)
        if not _has_room(codes[key[:6]], key.code, CODES):
            key = key._replace(code=REASON + OTHER_CODES)
        if key in bounded:
            bounded[key].merge(tally)
        else:
            bounded[key] = tally
    return bounded


def _has_room(known: set[str], one: str, limit: int) -> bool:
    if one in ("", REASON) or one in known:
        return True
    if len(known - {"", REASON, OTHER_CODES, REASON + OTHER_CODES}) >= limit:
        return False
    known.add(one)
    return True


def to_text(tally: Tally, time_format: TimeFormat) -> tuple[str, str]:
    """Return a tally as it is stored: its counts and its durations."""

    def kept(raw: Any) -> str | None:
        if raw is None:
            return None
        moment = time_format.read(raw)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()

    failures = FailureTally()
    for one in tally.failures.values():
        failures.merge(one)
    counts = {
        "kinds": {_word_of(kind): count for kind, count in enumerate(tally.kinds) if count},
        "sent": [kept(tally.first_sent), kept(tally.last_sent)],
        "failed": [kept(failures.first), kept(failures.last), failures.text],
    }
    figures = {
        "delivered": _by_place(tally.delivered_cells),
        "read": _by_place(tally.read_cells),
        "left_out": sum(tally.left_out),
        "elapsed": [elapsed.folded() for elapsed in tally.elapsed],
    }
    return json.dumps(counts), json.dumps(figures)


def from_text(
    key: FoldKey,
    counts: str,
    figures: str | None,
    *,
    time_format: TimeFormat,
    reason_of: Callable[[str | None], Any] = lambda code: code,
    as_of: datetime = _OLD,
) -> Tally:
    """Restore a tally from what :func:`to_text` returned.

    :param figures: ``None`` if durations are not requested.
    :param reason_of: returns the class and code of an error code.
    :param as_of: the moment at which ages are computed; messages count from the middle of their
        day.
    """
    tally = Tally(times=figures is not None)
    kept = json.loads(counts)

    def raw(text: str | None) -> Any:
        return None if text is None else time_format.write(datetime.fromisoformat(text))

    for kind, count in kept["kinds"].items():
        tally.kinds[OTHER if kind == _OTHER else int(kind)] = count
    number = sum(tally.kinds)
    tally.folded = number
    tally.young = number if key.midpoint > as_of - YOUNG else 0
    tally.first_sent, tally.last_sent = map(raw, kept["sent"])
    if key.code:
        first, last, text = kept["failed"]
        reason = reason_of(key.code.removeprefix(REASON) or None)
        tally.failures[reason] = FailureTally(number, raw(first), raw(last), text)
    if figures is not None:
        _take_times(tally, json.loads(figures), max((as_of - key.midpoint).total_seconds(), 0))
    return tally


def _word_of(kind: int) -> str:
    """Return a kind as it is stored: the bit for undocumented statuses moves when a status is
    added."""
    return _OTHER if kind == OTHER else str(kind)


def _take_times(tally: Tally, kept: dict[str, Any], age_seconds: float) -> None:
    reached = sum(age <= age_seconds for age in AGE_SECONDS)
    start = reached * BINS
    tally.delivered_cells[start : start + BINS] = kept["delivered"]
    tally.read_cells[start : start + BINS] = kept["read"]
    tally.left_out[reached] = kept["left_out"]
    tally.elapsed = [Elapsed.unfolded(one) for one in kept["elapsed"]]


def _by_place(cells: list[int]) -> list[int]:
    """Sum up by the number of the curve's ages that the duration exceeded, whatever the age."""
    return [sum(cells[place:CELLS:BINS]) for place in range(BINS)]
