"""The facts about a message that a report needs, and what can be measured from them."""

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
    """The columns of a message's row that a report needs; times are in the ledger's format.

    :param is_heard: whether it has any event.
    :param estimated: the bits of the statuses whose time is not WhatsApp's own.
    :param is_returned: whether it had been pruned, and was seen again.
    :param message_id: may be ``None`` for a message that has not failed.
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
"""The position of each in a row: there are too many rows to create an object for each."""

_PLACE_OF: Final = {
    QUEUED: PLACES["queued_at"],
    SENT: PLACES["sent_at"],
    DELIVERED: PLACES["delivered_at"],
    READ: PLACES["read_at"],
}


def reached_by(row: Sequence[Any]) -> int:
    """Return the bits of what a message reached, from its row in the order of :class:`Facts`."""
    reached = (
        (0 if row[1] is None else QUEUED)
        | (0 if row[2] is None else SENT)
        | (0 if row[3] is None else DELIVERED)
        | (0 if row[4] is None else READ)
        | (0 if row[5] is None else FAILED)
    )
    return reached if reached or not row[6] else OTHER


class Measured(NamedTuple):
    """What can be measured for messages that reached the same statuses, with the same ones
    estimated.

    :param ways: the index in :data:`.WAYS` of each duration whose times are known, with the
        positions in :class:`Facts` of its start and its end.
    :param left_out: the indexes in :data:`.WAYS` of the durations that cannot be measured although
        the later status was reached.
    :param places: the positions in :class:`Facts` of the times that are needed.
    :param is_submitted: whether they were submitted, so that the curve is about them.
    :param is_left_out_of_curve: whether they are left out of it nevertheless.
    """

    ways: tuple[tuple[int, int, int], ...]
    left_out: tuple[int, ...]
    places: tuple[int, ...]
    is_submitted: bool
    is_left_out_of_curve: bool


@cache
def measured_of(reached: int, estimated: int | None) -> Measured:
    """Return what can be measured for such messages.

    :param estimated: bits above those of the statuses are ignored.
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
    """How a ledger stores times, in a sortable form.

    :param read: converts one to a datetime; UTC if it is naive.
    :param write: converts an aware datetime to one.
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
"""Text in UTC with microseconds, as in SQLite."""
