"""One stream of messages' rows, made into figures, where no database is quicker at it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from operator import itemgetter
from time import sleep
from typing import Any, Final

from ..failure_reasons import FailureClass, classify
from .definitions import AGES, YOUNG, is_failed
from .elapsed import AGE_SECONDS
from .facts import DATETIMES, MOMENTS, PLACES, TimeFormat, measured_of, reached_by
from .groups import Calendar
from .tally import BINS, FailureTally, Reason, Tally

AT_ONCE: Final = 256
"""Rows until other threads of the process have their turn."""

KeyOf = Callable[[Sequence[Any]], Any]
"""The group of a message, by its row."""

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
        for start in range(0, len(rows), AT_ONCE):
            if start:
                sleep(0)
            self._add(rows[start : start + AT_ONCE])

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

    def _add(self, rows: Iterable[Sequence[Any]]) -> None:
        key_of, young_after, measures = self._key_of, self._young_after, self._times
        for row in rows:
            tally = self.tally(key_of(row))
            if row[_IS_RETURNED]:
                tally.returned += 1
                continue
            reached = reached_by(row)
            tally.kinds[reached] += 1
            sent_on = row[_SENT_ON]
            if sent_on > young_after:
                tally.young += 1
            if tally.first_sent is None or sent_on < tally.first_sent:
                tally.first_sent = sent_on
            if tally.last_sent is None or sent_on > tally.last_sent:
                tally.last_sent = sent_on
            if row[_FAILED_AT] is not None and is_failed(reached):
                tally.failures.setdefault(self.reason_of(row[_ERROR_CODE]), FailureTally()).add(
                    row[_FAILED_AT], row[_ERROR_MESSAGE], row[_MESSAGE_ID]
                )
            if measures:
                self._measure(tally, row, reached)

    def _measure(self, tally: Tally, row: Sequence[Any], reached: int) -> None:
        read = self._format.read
        measured = measured_of(reached, row[_ESTIMATED])
        moments: list[Any] = [None if raw is None else read(raw) for raw in row[:MOMENTS]]
        elapsed = tally.elapsed
        for way, start, end in measured.ways:
            elapsed[way].add((moments[end] - moments[start]).total_seconds())
        for way in measured.left_out:
            elapsed[way].left_out += 1
        if not measured.is_submitted:
            return
        age = len(AGES) - bisect_left(self._old_since, row[_SENT_ON])
        if measured.is_left_out_of_curve:
            tally.left_out[age] += 1
            return
        sent_on, delivered, seen = moments[_SENT_ON], moments[_DELIVERED_AT], moments[_READ_AT]
        arrived = seen if delivered is None else delivered
        start = age * BINS
        tally.delivered_cells[start + _place(arrived, sent_on)] += 1
        tally.read_cells[start + _place(seen, sent_on)] += 1

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


def _place(moment: datetime | None, sent_on: datetime) -> int:
    """Within how many ages of the curve something was not done yet."""
    if moment is None:
        return len(AGES)
    return bisect_left(AGE_SECONDS, (moment - sent_on).total_seconds())
