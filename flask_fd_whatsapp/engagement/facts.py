"""What a report needs of a message: its facts, and what can be measured by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from .definitions import (
    DELIVERED,
    FAILED,
    KINDS,
    OTHER,
    QUEUED,
    READ,
    SENT,
    WAYS,
    is_left_out_of_curve,
    is_submitted,
)


class Facts(NamedTuple):
    """What a report needs of a message's row; times as the ledger has them.

    :param is_heard: whether there is any event of it.
    :param estimated: the bits of the statuses whose time is not WhatsApp's own.
    :param is_returned: it had been pruned, and was heard of again.
    :param message_id: ``None`` may stand for that of a message that has not failed.
    """

    sent_on: Any
    queued_at: Any
    sent_at: Any
    delivered_at: Any
    read_at: Any
    failed_at: Any
    is_heard: bool
    estimated: int | None
    is_returned: bool | None
    account_id: str
    message_id: Any
    campaign: str | None
    template: str | None
    error_code: str | None
    error_message: str | None
    receiver: str | None


PLACES: Final = {name: place for place, name in enumerate(Facts._fields)}
"""Where a row has each of them: rows are too many to make objects of them."""

_PLACE_OF: Final = {
    QUEUED: PLACES["queued_at"],
    SENT: PLACES["sent_at"],
    DELIVERED: PLACES["delivered_at"],
    READ: PLACES["read_at"],
}


def reached_by(row: Sequence[Any]) -> int:
    """The bits of what a message reached, by its row in the order of :class:`Facts`."""
    reached = (
        (0 if row[1] is None else QUEUED)
        | (0 if row[2] is None else SENT)
        | (0 if row[3] is None else DELIVERED)
        | (0 if row[4] is None else READ)
        | (0 if row[5] is None else FAILED)
    )
    return reached if reached or not row[6] else OTHER


class Measured(NamedTuple):
    """What is measured of all messages that reached the same, with the same times estimated.

    :param ways: the place in :data:`.WAYS` of each whose times are known, with the places in
        :class:`Facts` of its first and its last time.
    :param left_out: the places in :data:`.WAYS` of those that reached the later status only.
    :param places: in :class:`Facts`, of the times that are needed.
    :param is_submitted: whether they are what the curve is of.
    :param is_left_out_of_curve: and yet not in it.
    """

    ways: tuple[tuple[int, int, int], ...]
    left_out: tuple[int, ...]
    places: tuple[int, ...]
    is_submitted: bool
    is_left_out_of_curve: bool


@cache
def measured_of(reached: int, estimated: int | None) -> Measured:
    """What is measured of messages.

    :param estimated: may have bits above those of the statuses, which do not count.
    """
    estimated = (estimated or 0) & KINDS - 1
    return Measured(
        ways=tuple(
            (place, _PLACE_OF[way.start], _PLACE_OF[way.end])
            for place, way in enumerate(WAYS)
            if way.is_known(reached, estimated)
        ),
        left_out=tuple(
            place for place, way in enumerate(WAYS) if way.is_left_out(reached, estimated)
        ),
        places=(
            PLACES["sent_on"],
            *(place for status, place in _PLACE_OF.items() if status & reached),
        ),
        is_submitted=is_submitted(reached),
        is_left_out_of_curve=is_left_out_of_curve(reached, estimated),
    )


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
