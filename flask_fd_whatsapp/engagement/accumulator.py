"""One stream of messages' rows, made into figures, where no database is quicker at it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from time import sleep
from typing import Any, Final, NamedTuple

from ..failure_reasons import FailureClass, classify
from .definitions import (
    AGES,
    DELIVERED,
    FAILED,
    OTHER,
    QUEUED,
    READ,
    SENT,
    YOUNG,
    is_failed,
    is_left_out_of_curve,
    is_submitted,
)
from .elapsed import AGE_SECONDS
from .groups import Calendar
from .tally import BINS, FailureTally, Reason, Tally

AT_ONCE: Final = 256
"""Rows until other threads of the process have their turn."""


class Facts(NamedTuple):
    """What a report needs of a message's row; times as the ledger has them.

    :param is_heard: whether there is any event of it.
    :param estimated: the bits of the statuses whose time is not WhatsApp's own.
    :param is_returned: it had been pruned, and was heard of again.
    """

    sent_on: Any
    queued_at: Any
    sent_at: Any
    failed_at: Any
    delivered_at: Any
    read_at: Any
    is_heard: bool
    estimated: int | None
    is_returned: bool | None
    account_id: str
    message_id: str
    campaign: str | None
    template: str | None
    error_code: str | None
    error_message: str | None
    receiver: str | None


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a ledger has its times, which sort as they are.

    :param read: makes a datetime of one; UTC if it is naive.
    :param write: makes one of an aware datetime.
    """

    read: Callable[[Any], datetime]
    write: Callable[[datetime], Any]


def _as_it_is(moment: datetime) -> datetime:
    return moment


DATETIMES: Final = TimeFormat(read=_as_it_is, write=_as_it_is)
"""Aware datetimes."""


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


TEXT_TIMES: Final = TimeFormat(read=datetime.fromisoformat, write=_as_text)
"""Text in UTC with microseconds, as SQLite has it."""


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
        key_of: Callable[[Facts], Any] | None = None,
    ) -> None:
        self.groups: dict[Any, Tally] = {}
        self._times = times
        self._own_classes = own_classes
        self._format = format
        self._young_after = format.write(as_of - YOUNG)
        self._old_since = [format.write(as_of - age) for age in reversed(AGES)]
        self._reasons: dict[str | None, Reason] = {}
        keys = {
            "campaign": lambda facts: facts.campaign,
            "account": lambda facts: facts.account_id,
            "template": lambda facts: facts.template,
            "failure": self._failure_of,
        }
        calendars = {one: self._by_calendar(Calendar(one, zone)) for one in ("day", "hour")}
        self._keys: list[Callable[[Facts], Any]] = [{**keys, **calendars}[one] for one in by]
        self._given_key_of = key_of

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Count messages' rows, each in the order of :class:`Facts`."""
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

    def _add(self, rows: Iterable[Sequence[Any]]) -> None:
        young_after, measures = self._young_after, self._times
        for row in rows:
            facts = Facts._make(row)
            tally = self.tally(self._key_of(facts))
            if facts.is_returned:
                tally.returned += 1
                continue
            reached = reached_by(facts)
            tally.kinds[reached] += 1
            sent_on = facts.sent_on
            if sent_on > young_after:
                tally.young += 1
            if tally.first_sent is None or sent_on < tally.first_sent:
                tally.first_sent = sent_on
            if tally.last_sent is None or sent_on > tally.last_sent:
                tally.last_sent = sent_on
            if facts.failed_at is not None and is_failed(reached):
                tally.failures.setdefault(self.reason_of(facts.error_code), FailureTally()).add(
                    facts.failed_at, facts.error_message, facts.message_id
                )
            if measures:
                self._measure(tally, facts, reached)

    def _measure(self, tally: Tally, facts: Facts, reached: int) -> None:
        read = self._format.read
        estimated = facts.estimated or 0
        sure = reached & ~estimated
        sent = delivered = seen = None
        if reached & SENT:
            sent = read(facts.sent_at)
        if reached & DELIVERED:
            delivered = read(facts.delivered_at)
        if reached & READ:
            seen = read(facts.read_at)
        submit, deliver, open_, both = tally.elapsed
        if sent is not None:
            if sure & (QUEUED | SENT) == QUEUED | SENT:
                submit.add((sent - read(facts.queued_at)).total_seconds())
            else:
                submit.left_out += 1
        if delivered is not None:
            if sent is not None and sure & (SENT | DELIVERED) == SENT | DELIVERED:
                deliver.add((delivered - sent).total_seconds())
            else:
                deliver.left_out += 1
        if seen is not None:
            if delivered is not None and sure & (DELIVERED | READ) == DELIVERED | READ:
                open_.add((seen - delivered).total_seconds())
            else:
                open_.left_out += 1
            if sent is not None and sure & (SENT | READ) == SENT | READ:
                both.add((seen - sent).total_seconds())
            else:
                both.left_out += 1
        if not is_submitted(reached):
            return
        age = len(AGES) - bisect_left(self._old_since, facts.sent_on)
        if estimated and is_left_out_of_curve(reached, estimated):
            tally.left_out[age] += 1
            return
        sent_on = read(facts.sent_on)
        arrived = delivered if delivered is not None else seen
        start = age * BINS
        tally.delivered_cells[start + _place(arrived, sent_on)] += 1
        tally.read_cells[start + _place(seen, sent_on)] += 1

    def _key_of(self, facts: Facts) -> Any:
        if self._given_key_of is not None:
            return self._given_key_of(facts)
        keys = self._keys
        if not keys:
            return None
        if len(keys) == 1:
            return keys[0](facts)
        return keys[0](facts), keys[1](facts)

    def _by_calendar(self, calendar: Calendar) -> Callable[[Facts], Any]:
        read, write = self._format.read, self._format.write
        start = end = key = None  # most rows are of the same day or hour as the one before

        def key_of(facts: Facts) -> Any:
            nonlocal start, end, key
            sent_on = facts.sent_on
            if start is None or not start <= sent_on < end:
                moment = read(sent_on)
                span = calendar.span_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
                start, end, key = write(span.start), write(span.end), span.key
            return key

        return key_of

    def _failure_of(self, facts: Facts) -> Reason | None:
        if facts.failed_at is None or not is_failed(reached_by(facts)):
            return None
        return self.reason_of(facts.error_code)

    def reason_of(self, code: str | None) -> Reason:
        """The class and code of an error."""
        reason = self._reasons.get(code)
        if reason is None:
            reason = self._reasons[code] = classify(code, self._own_classes), code
        return reason


def reached_by(facts: Facts) -> int:
    """The bits of what a message reached."""
    reached = (
        (0 if facts.queued_at is None else QUEUED)
        | (0 if facts.sent_at is None else SENT)
        | (0 if facts.failed_at is None else FAILED)
        | (0 if facts.delivered_at is None else DELIVERED)
        | (0 if facts.read_at is None else READ)
    )
    return reached if reached or not facts.is_heard else OTHER


def _place(moment: datetime | None, sent_on: datetime) -> int:
    """Within how many ages of the curve something was not done yet."""
    if moment is None:
        return len(AGES)
    return bisect_left(AGE_SECONDS, (moment - sent_on).total_seconds())
