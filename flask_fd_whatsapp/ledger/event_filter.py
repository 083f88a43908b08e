"""Which events and messages are asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypedDict

from .views import State

LIMIT: Final = 100
"""How many are given where no ``limit`` is asked for."""


class EventFilter(TypedDict, total=False):
    """The keywords of :meth:`Ledger.events`: an event has to meet all that are given.

    ``status``, ``account_id``, ``campaign``, ``external_reference_id``, ``message_id`` and
    ``state`` are those of an :class:`Event`.

    :param receiver: taken in by the receiver of this name.
    :param source: ``"webhook"`` or ``"api"``.
    :param unhandled_by: not done by the handler of this name: it is to be called still, or was
        not connected when the others were.
    :param since: received at or after this (aware datetime).
    :param until: received before this (aware datetime).
    :param before: recorded before the event of this id: the next page.
    :param after: recorded after the event of this id (0 for all), oldest first.
    :param limit: how many at most, 100 unless told.
    """

    status: str | None
    account_id: str | None
    campaign: str | None
    external_reference_id: str | None
    message_id: str | None
    state: State | None
    receiver: str | None
    source: str | None
    unhandled_by: str | None
    since: datetime | None
    until: datetime | None
    before: Any
    after: Any
    limit: int


def given(wanted: EventFilter) -> dict[str, Any]:
    """The conditions that are given, without those that are ``None``; ``limit`` always is.

    :raises TypeError: if there is no such condition.
    """
    for name in wanted:
        if name not in EventFilter.__annotations__:
            raise TypeError(f"events() got an unexpected keyword argument {name!r}")
    conditions = {name: value for name, value in wanted.items() if value is not None}
    return {"limit": LIMIT, **conditions}


def require_condition(*conditions: object) -> None:
    """Whoever asks for messages says which: all of them may be millions.

    :raises TypeError: if every condition is ``None``.
    """
    if all(condition is None for condition in conditions):
        raise TypeError("messages() needs external_reference_id or message_ids")
