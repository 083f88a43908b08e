"""Filters for events and messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypedDict

from .views import State

LIMIT: Final = 100
"""The default of ``limit``."""


class EventFilter(TypedDict, total=False):
    """The keyword arguments of :meth:`Ledger.events`, combined with AND.

    ``status``, ``account_id``, ``campaign``, ``external_reference_id``, ``message_id`` and
    ``state`` are those of an :class:`Event`.

    :param receiver: recorded by the receiver with this name.
    :param source: ``"webhook"`` or ``"api"``.
    :param unhandled_by: not handled by the handler with this name: it is still to be called, or was
        not connected when the others were called.
    :param since: received at or after this (aware datetime).
    :param until: received before this (aware datetime).
    :param before: recorded before the event with this id: the next page.
    :param after: recorded after the event with this id (0 for all), oldest first.
    :param limit: the maximum number of events. [default: 100]
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
    """Return the conditions that are not ``None``; ``limit`` is always included.

    :raises TypeError: for an unknown condition.
    """
    for name in wanted:
        if name not in EventFilter.__annotations__:
            raise TypeError(f"events() got an unexpected keyword argument {name!r}")
    conditions = {name: value for name, value in wanted.items() if value is not None}
    return {"limit": LIMIT, **conditions}


def require_condition(*conditions: object) -> None:
    """Require a condition: all messages could be millions.

    :raises TypeError: if every condition is ``None``.
    """
    if all(condition is None for condition in conditions):
        raise TypeError("messages() needs external_reference_id or message_ids")
