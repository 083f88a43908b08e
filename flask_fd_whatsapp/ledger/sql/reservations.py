"""Due events, and which sweep has reserved them: concurrent sweeps get different events.

A reservation is neither a claim nor an attempt: it only keeps other sweeps from events that they
would find claimed or done. It expires, so that nothing is lost if a process dies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, exists, or_, select, update

from .dialects.base import CLOCKS_DIFFER
from .event_pages import came_to
from .prepared import PreparedDatabase
from .queries import IDS, is_free
from .tables import event, message


class SQLReservations:
    """Hands out due events, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def due(self, *, receiver: str | None = None, limit: int) -> Sequence[int]:
        """Ids of due events that nobody has claimed or reserved, longest due first."""
        with self._prepared.database.querying() as connection:
            return connection.scalars(self._due(receiver, limit)).all()

    def reserve(self, *, receiver: str, limit: int, seconds: float) -> Sequence[int]:
        """Reserve due events: for *seconds* no other sweep gets them."""
        self._prepared.database.step_aside()
        if not self.due(receiver=receiver, limit=1) and not self._correct_times():
            return ()  # without locking or writing when there is nothing to do
        return self._prepared.database.retried(lambda: self._reserve(receiver, limit, seconds))

    def _reserve(self, receiver: str, limit: int, seconds: float) -> Sequence[int]:
        # Do not wait for events that another process is reserving or finishing.
        query = self._due(receiver, limit).with_for_update(skip_locked=True)
        with self._prepared.database.writing(is_durable=False) as connection:
            ids = connection.scalars(query).all()
            if ids:
                connection.execute(
                    update(event)
                    .where(event.c.id.in_(ids))
                    .values(reserved_until=self._prepared.database.now(after=seconds))
                )
        return ids

    def _correct_times(self) -> bool:
        """Date what was recorded by a clock that ran ahead now, or it would not be due for long.

        :return: whether there was anything.
        """
        database = self._prepared.database
        is_ahead = event.c.received_at > database.now(after=CLOCKS_DIFFER.total_seconds())
        is_ahead &= event.c.due_at.is_not(None)
        with database.querying() as connection:
            ids = connection.scalars(select(event.c.id).where(is_ahead).limit(IDS)).all()
        if ids:
            now = database.now()
            times = {"received_at": now, "due_at": now, "reserved_until": None}
            wrong = update(event).where(event.c.id.in_(ids), is_ahead)
            database.retried(lambda: self._change(wrong.values(times)))
        return bool(ids)

    def _change(self, change: Update) -> None:
        with self._prepared.database.writing(is_durable=False) as connection:
            connection.execute(change)

    def extend(self, event_ids: Collection[int], *, seconds: float) -> None:
        """Reserve for *seconds* from now what is still reserved."""
        if event_ids:
            until = self._prepared.database.now(after=seconds)
            self._prepared.database.retried(lambda: self._reserve_until(until, event_ids))

    def reserved(self) -> Mapping[str, int]:
        """How many due events are currently reserved, by receiver."""
        now = self._prepared.database.now()
        # Counted here: to group, a database may scan an index that begins with the receiver.
        query = select(event.c.receiver).where(event.c.due_at <= now, event.c.reserved_until > now)
        with self._prepared.database.querying() as connection:
            return Counter(connection.scalars(query))

    def unreserve(self, event_ids: Collection[int]) -> None:
        """Release reserved events that were not attempted."""
        if event_ids:
            self._prepared.database.retried(lambda: self._reserve_until(None, event_ids))

    def _reserve_until(
        self, until: ColumnElement[datetime] | None, event_ids: Collection[int]
    ) -> None:
        is_reserved = and_(
            event.c.id.in_(event_ids),
            event.c.due_at.is_not(None),
            event.c.reserved_until.is_not(None),
        )
        self._change(update(event).where(is_reserved).values(reserved_until=until))

    def _due(self, receiver: str | None, limit: int) -> Select[Any]:
        now = self._prepared.database.now()
        query = select(event.c.id).where(event.c.due_at <= now, _is_unreserved(now))
        if receiver is not None:
            query = query.where(came_to(receiver, event, self._prepared.database))
        # No join: a database might lock the messages, too.
        has_free_message = exists().where(message.c.id == event.c.message_key, is_free(now))
        return query.where(has_free_message).order_by(event.c.due_at, event.c.id).limit(limit)


def _is_unreserved(now: datetime | Any) -> ColumnElement[bool]:
    return or_(event.c.reserved_until.is_(None), event.c.reserved_until <= now)
