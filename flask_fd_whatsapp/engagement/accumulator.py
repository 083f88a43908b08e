"""Computes figures from a stream of message rows, where the database is not faster at it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf
from operator import itemgetter, sub
from time import sleep
from typing import Any, Final

from ..failure_reasons import FailureClass, classify
from .definitions import AGES, YOUNG, is_failed
from .elapsed import by_age
from .facts import DATETIMES, PLACES, Measured, TimeFormat, measured_of, reached_by
from .groups import Calendar
from .tally import BINS, FailureTally, Reason, Tally

AT_ONCE: Final = 256
"""How many rows are processed before other threads get a turn."""

KeyOf = Callable[[Sequence[Any]], Any]
"""Returns the group of a message's row."""

_Kind = tuple[Any, ...]
"""Group, whether it returned, what it reached and what is estimated; equal keys count together."""

_SENT_ON: Final = PLACES["sent_on"]
_QUEUED_AT: Final = PLACES["queued_at"]
_SENT_AT: Final = PLACES["sent_at"]
_DELIVERED_AT: Final = PLACES["delivered_at"]
_READ_AT: Final = PLACES["read_at"]
_FAILED_AT: Final = PLACES["failed_at"]
_IS_HEARD: Final = PLACES["is_heard"]
_ESTIMATED: Final = PLACES["estimated"]
_IS_RETURNED: Final = PLACES["is_returned"]
_MESSAGE_ID: Final = PLACES["message_id"]
_ERROR_CODE: Final = PLACES["error_code"]
_ERROR_MESSAGE: Final = PLACES["error_message"]

_sent_on_of: Final = itemgetter(_SENT_ON)


class Accumulator:
    """Counts messages by group.

    :param by: the dimensions, as returned by :func:`.dimensions_of`.
    :param zone: the time zone of days and hours.
    :param as_of: the moment at which messages' ages are computed.
    :param times: whether to measure durations.
    :param own_classes: the host's own classes of error codes.
    :param format: the ledger's format of times.
    :param key_of: returns a message's group, instead of *by*.
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
        """Count messages' rows, each in the order of :class:`.Facts`; further columns are
        ignored."""
        kinds: defaultdict[_Kind, list[Sequence[Any]]] = defaultdict(list)
        key_of = self._key_of
        for row in rows:
            kinds[
                key_of(row),
                row[_IS_RETURNED],
                row[_ESTIMATED],
                row[_QUEUED_AT] is None,
                row[_SENT_AT] is None,
                row[_DELIVERED_AT] is None,
                row[_READ_AT] is None,
                row[_FAILED_AT] is None,
                row[_IS_HEARD],
            ].append(row)
        since_turn = 0
        for (key, is_returned, estimated, *_), alike in kinds.items():
            tally, reached = self.tally(key), reached_by(alike[0])
            if is_returned:
                tally.returned += len(alike)
                continue
            alike.sort(key=_sent_on_of)  # the database has sorted them already
            for start in range(0, len(alike), AT_ONCE):
                some = alike[start : start + AT_ONCE]
                self._count(tally, some, reached)
                if self._times:
                    self._measure(tally, some, measured_of(reached, estimated))
                since_turn += len(some)
                if since_turn >= AT_ONCE:
                    sleep(0)
                    since_turn = 0

    def tally(self, key: Any) -> Tally:
        """Return the counts of a group."""
        found = self.groups.get(key)
        if found is None:
            found = self.groups[key] = Tally(times=self._times)
        return found

    def reason_of(self, code: str | None) -> Reason:
        """Return the class and code of an error."""
        reason = self._reasons.get(code)
        if reason is None:
            reason = self._reasons[code] = classify(code, self._own_classes), code
        return reason

    def _count(self, tally: Tally, alike: Sequence[Sequence[Any]], reached: int) -> None:
        first, last = alike[0][_SENT_ON], alike[-1][_SENT_ON]
        tally.kinds[reached] += len(alike)
        tally.young += len(alike) - bisect_right(alike, self._young_after, key=_sent_on_of)
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
        times = {place: list(map(read, map(itemgetter(place), alike))) for place in measured.places}
        for age, same in self._by_age(alike):
            its = {place: moments[same] for place, moments in times.items()}
            measure(tally, measured, age, its, _seconds)

    def _by_age(self, alike: Sequence[Sequence[Any]]) -> Iterator[tuple[int, slice]]:
        """Split rows in the order of ``sent_on`` by how many of the curve's ages they have
        reached."""
        start = 0
        for place, since in enumerate(self._old_since):
            end = bisect_right(alike, since, start, key=_sent_on_of)
            if start < end:
                yield len(AGES) - place, slice(start, end)
            start = end
        if start < len(alike):
            yield 0, slice(start, len(alike))

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
        start = end = key = None  # most rows have the same day or hour as the previous one

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


def measure(
    tally: Tally,
    measured: Measured,
    age: int,
    times: Mapping[int, Sequence[Any]],
    seconds: Callable[[Sequence[Any], Sequence[Any]], list[float]],
) -> None:
    """Add the times of messages that are alike, and of the same age.

    :param age: how many of :data:`.AGES` they have reached.
    :param times: by their positions in :class:`.Facts`.
    :param seconds: returns how long each took from one time to another.
    """
    number = len(times[_SENT_ON])
    for way, start, end in measured.ways:
        tally.elapsed[way].add_all(seconds(times[start], times[end]))
    for way in measured.left_out:
        tally.elapsed[way].left_out += number
    if not measured.is_submitted:
        return
    if measured.is_left_out_of_curve:
        tally.left_out[age] += number
        return
    read_at = times.get(_READ_AT)
    for cells, moments in (
        (tally.delivered_cells, times.get(_DELIVERED_AT, read_at)),
        (tally.read_cells, read_at),
    ):
        took = [inf] * number if moments is None else seconds(times[_SENT_ON], moments)
        for place, count in enumerate(by_age(sorted(took))):
            cells[age * BINS + place] += count


def _seconds(starts: Sequence[datetime], ends: Sequence[datetime]) -> list[float]:
    return list(map(timedelta.total_seconds, map(sub, ends, starts)))
