"""What is due, and who has taken it to try: several sweeps at once get different events.

A reservation is no right to anything, and no attempt: it only keeps the others from what they
would find claimed or done.  It ends by itself, so that nothing is lost with a process that dies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select, update

from .event_pages import came_to
from .prepared import PreparedDatabase
from .queries import is_free
from .tables import event, message


class SQLReservations:
    """Hands out what is due, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def due(self, *, receiver: str | None = None, limit: int) -> Sequence[int]:
        """Ids of events that are due and in nobody's hands, longest due first."""
        with self._prepared.database.querying() as connection:
            return connection.scalars(self._due(receiver, limit)).all()

    def reserve(self, *, receiver: str, limit: int, seconds: float) -> Sequence[int]:
        """Take what is due: until *seconds* are over nobody else gets it."""
        if not self.due(receiver=receiver, limit=1):
            return ()  # and nothing is locked or written where nothing is to be done
        return self._prepared.database.retried(lambda: self._reserve(receiver, limit, seconds))

    def _reserve(self, receiver: str, limit: int, seconds: float) -> Sequence[int]:
        # What another is taking or finishing just now is not waited for.
        query = self._due(receiver, limit).with_for_update(skip_locked=True)
        with self._prepared.database.writing() as connection:
            ids = connection.scalars(query).all()
            if ids:
                connection.execute(
                    update(event)
                    .where(event.c.id.in_(ids))
                    .values(reserved_until=self._prepared.database.now(after=seconds))
                )
        return ids

    def reserved(self) -> Mapping[str, int]:
        """How many due events are reserved just now, by receiver."""
        now = self._prepared.database.now()
        # Counted here: a database may group by an index that begins with the receiver.
        query = select(event.c.receiver).where(event.c.due_at <= now, event.c.reserved_until > now)
        with self._prepared.database.querying() as connection:
            return Counter(connection.scalars(query))

    def unreserve(self, event_ids: Collection[int]) -> None:
        """Give back what was reserved and not tried."""
        if event_ids:
            self._prepared.database.retried(lambda: self._unreserve(event_ids))

    def _unreserve(self, event_ids: Collection[int]) -> None:
        with self._prepared.database.writing() as connection:
            connection.execute(
                update(event).where(event.c.id.in_(event_ids)).values(reserved_until=None)
            )

    def _due(self, receiver: str | None, limit: int) -> Select[Any]:
        now = self._prepared.database.now()
        query = select(event.c.id).where(event.c.due_at <= now, _is_unreserved(now))
        if receiver is not None:
            query = query.where(came_to(receiver, event, self._prepared.database))
        # Not joined: a database may lock the messages, too.
        has_free_message = exists().where(message.c.id == event.c.message_key, is_free(now))
        return query.where(has_free_message).order_by(event.c.due_at, event.c.id).limit(limit)


def _is_unreserved(now: datetime | Any) -> ColumnElement[bool]:
    return or_(event.c.reserved_until.is_(None), event.c.reserved_until <= now)
