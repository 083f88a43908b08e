"""One stream of messages' rows, made into figures, where no database is quicker at it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from operator import itemgetter
from time import sleep
from typing import Any, Final

from ..failure_reasons import FailureClass, classify
from .definitions import AGES, YOUNG, is_failed
from .elapsed import AGE_SECONDS
from .facts import DATETIMES, PLACES, Measured, TimeFormat, measured_of, reached_by
from .groups import Calendar
from .tally import BINS, FailureTally, Reason, Tally

AT_ONCE: Final = 256
"""Rows until other threads of the process have their turn."""

KeyOf = Callable[[Sequence[Any]], Any]
"""The group of a message, by its row."""

_Kind = tuple[Any, Any, int, Any]
"""Group, whether it returned, what it reached and what is estimated: such rows count together."""

_SENT_ON: Final = PLACES["sent_on"]
_DELIVERED_AT: Final = PLACES["delivered_at"]
_READ_AT: Final = PLACES["read_at"]
_FAILED_AT: Final = PLACES["failed_at"]
_ESTIMATED: Final = PLACES["estimated"]
_IS_RETURNED: Final = PLACES["is_returned"]
_MESSAGE_ID: Final = PLACES["message_id"]
_ERROR_CODE: Final = PLACES["error_code"]
_ERROR_MESSAGE: Final = PLACES["error_message"]


class Accumulator:
    """Counts messages by group.

    :param by: the dimensions, as :func:`.dimensions_of` gives them.
    :param zone: of days and hours.
    :param as_of: the moment by which messages have their age.
    :param times: whether to measure how long things took.
    :param own_classes: the host's own classes of error codes.
    :param format: how the ledger has its times.
    :param key_of: gives a message's group, instead of *by*.
    """

    def __init__(
        self,
        *,
        by: Sequence[str],
        zone: tzinfo,
        as_of: datetime,
        times: bool,
        own_classes: Mapping[str, FailureClass],
        format: TimeFormat = DATETIMES,  # noqa: A002 - the word for it
        key_of: KeyOf | None = None,
    ) -> None:
        self.groups: dict[Any, Tally] = {}
        self._times = times
        self._own_classes = own_classes
        self._format = format
        self._young_after = format.write(as_of - YOUNG)
        self._old_since = [format.write(as_of - age) for age in reversed(AGES)]
        self._reasons: dict[str | None, Reason] = {}
        self._key_of = key_of or self._by(by, zone)

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Count messages' rows, each in the order of :class:`.Facts`; more may follow in it."""
        kinds: defaultdict[_Kind, list[Sequence[Any]]] = defaultdict(list)
        key_of = self._key_of
        for some in _by_turns(rows):
            for row in some:
                kind = key_of(row), row[_IS_RETURNED], reached_by(row), row[_ESTIMATED]
                kinds[kind].append(row)
        for (key, is_returned, reached, estimated), alike in kinds.items():
            tally = self.tally(key)
            if is_returned:
                tally.returned += len(alike)
                continue
            for some in _by_turns(alike):
                self._count(tally, some, reached)
                if self._times:
                    self._measure(tally, some, measured_of(reached, estimated))

    def tally(self, key: Any) -> Tally:
        """What is counted of a group."""
        found = self.groups.get(key)
        if found is None:
            found = self.groups[key] = Tally(times=self._times)
        return found

    def reason_of(self, code: str | None) -> Reason:
        """The class and code of an error."""
        reason = self._reasons.get(code)
        if reason is None:
            reason = self._reasons[code] = classify(code, self._own_classes), code
        return reason

    def _count(self, tally: Tally, alike: Sequence[Sequence[Any]], reached: int) -> None:
        sent_on = [row[_SENT_ON] for row in alike]
        first, last = min(sent_on), max(sent_on)
        tally.kinds[reached] += len(alike)
        if last > self._young_after:
            tally.young += sum(one > self._young_after for one in sent_on)
        if tally.first_sent is None or first < tally.first_sent:
            tally.first_sent = first
        if tally.last_sent is None or last > tally.last_sent:
            tally.last_sent = last
        if is_failed(reached):
            for row in alike:
                tally.failures.setdefault(self.reason_of(row[_ERROR_CODE]), FailureTally()).add(
                    row[_FAILED_AT], row[_ERROR_MESSAGE], row[_MESSAGE_ID]
                )

    def _measure(self, tally: Tally, alike: Sequence[Sequence[Any]], measured: Measured) -> None:
        read = self._format.read
        times = {place: [read(row[place]) for row in alike] for place in measured.places}
        for way, start, end in measured.ways:
            tally.elapsed[way].add_all(_seconds(times[start], times[end]))
        for way in measured.left_out:
            tally.elapsed[way].left_out += len(alike)
        if not measured.is_submitted:
            return
        ages = [len(AGES) - bisect_left(self._old_since, row[_SENT_ON]) for row in alike]
        if measured.is_left_out_of_curve:
            for age in ages:
                tally.left_out[age] += 1
            return
        seen = times.get(_READ_AT)
        for cells, moments in (
            (tally.delivered_cells, times.get(_DELIVERED_AT, seen)),
            (tally.read_cells, seen),
        ):
            for age, place in zip(ages, _places(times[_SENT_ON], moments), strict=True):
                cells[age * BINS + place] += 1

    def _by(self, by: Sequence[str], zone: tzinfo) -> KeyOf:
        keys: list[KeyOf] = [self._by_one(one, zone) for one in by]
        if not keys:
            return lambda row: None
        if len(keys) == 1:
            return keys[0]
        first, second = keys
        return lambda row: (first(row), second(row))

    def _by_one(self, dimension: str, zone: tzinfo) -> KeyOf:
        if dimension == "failure":
            return self._failure_of
        if dimension in ("day", "hour"):
            return self._by_calendar(Calendar(dimension, zone))
        return itemgetter(PLACES["account_id" if dimension == "account" else dimension])

    def _by_calendar(self, calendar: Calendar) -> KeyOf:
        read, write = self._format.read, self._format.write
        start = end = key = None  # most rows are of the same day or hour as the one before

        def key_of(row: Sequence[Any]) -> Any:
            nonlocal start, end, key
            sent_on = row[_SENT_ON]
            if start is None or not start <= sent_on < end:
                moment = read(sent_on)
                span = calendar.span_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
                start, end, key = write(span.start), write(span.end), span.key
            return key

        return key_of

    def _failure_of(self, row: Sequence[Any]) -> Reason | None:
        if row[_FAILED_AT] is None or not is_failed(reached_by(row)):
            return None
        return self.reason_of(row[_ERROR_CODE])


def _by_turns(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """Some rows after the other; in between other threads of the process have their turn."""
    for start in range(0, len(rows), AT_ONCE):
        if start:
            sleep(0)
        yield rows[start : start + AT_ONCE]


def _seconds(starts: Sequence[datetime], ends: Sequence[datetime]) -> list[float]:
    return [(end - start).total_seconds() for start, end in zip(starts, ends, strict=True)]


def _places(sent_on: Sequence[datetime], moments: Sequence[datetime] | None) -> list[int]:
    """Within how many ages of the curve something was not done yet, of each message."""
    if moments is None:
        return [len(AGES)] * len(sent_on)
    return [bisect_left(AGE_SECONDS, seconds) for seconds in _seconds(sent_on, moments)]
