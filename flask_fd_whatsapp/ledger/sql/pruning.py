"""Forgets messages, in two steps: find them without a lock, then look again and delete them.

Finding them takes longer than deleting them, and nobody should wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, case, delete, exists, func, select

from .database import Database
from .queries import is_free
from .tables import event, handling, message


def forget(database: Database, *, before: datetime, limit: int, receiver: str | None) -> int:
    """Forget at most *limit* messages; see :meth:`.Ledger.prune`."""
    is_old = (message.c.last_seen < before) & is_free(database.now())
    is_finished = ~exists().where(_OF_MESSAGE, event.c.due_at.is_not(None))
    found = select(message.c.id).limit(limit)
    if receiver is None:
        goes = is_old & is_finished
        # Most of what was first seen before that is to go, and an index has it in this order.
        found = found.where(message.c.first_seen < before, goes).order_by(message.c.first_seen)
    else:
        goes = is_old & is_finished & ~exists().where(_OF_MESSAGE, event.c.receiver != receiver)
        found = _by_first_event(found.where(is_old), before, receiver)
    with database.querying(patiently=True) as connection:
        keys = connection.scalars(found).all()
    if not keys:
        return 0
    # Locked until they are gone, or an event recorded meanwhile would go with them.
    still = select(message.c.id).where(message.c.id.in_(keys), goes)
    with database.forgetting() as connection:
        keys = connection.scalars(still.with_for_update(skip_locked=True)).all()
        _delete(connection, keys)
    return len(keys)


_OF_MESSAGE: Final = event.c.message_key == message.c.id


def _by_first_event(found: Select[Any], before: datetime, receiver: str) -> Select[Any]:
    """What is found of messages all of whose events are finished and came to *receiver*.

    By the events' index: of the messages' own, others may keep millions that are as old.  One
    subquery, since PostgreSQL would answer several from the whole table.
    """
    first = event.alias("first")
    stays = event.c.due_at.is_not(None) | (event.c.receiver != receiver)
    only_if_none_stays = (
        select(func.min(case((stays, 0), else_=event.c.id)))
        .where(event.c.message_key == first.c.message_key)
        .scalar_subquery()
    )
    return (
        found.join_from(first, message, message.c.id == first.c.message_key)
        .where(first.c.receiver == receiver, first.c.received_at < before)
        .where(first.c.id == only_if_none_stays)
        .order_by(first.c.received_at)
    )


def _delete(connection: Connection, keys: Sequence[int]) -> None:
    events = select(event.c.id).where(event.c.message_key.in_(keys))
    connection.execute(delete(handling).where(handling.c.event_id.in_(events)))
    connection.execute(delete(event).where(event.c.message_key.in_(keys)))
    connection.execute(delete(message).where(message.c.id.in_(keys)))
