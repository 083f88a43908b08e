"""Dead events, in a database: revived or acknowledged."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, update

from .event_pages import came_to
from .prepared import PreparedDatabase
from .tables import event, handling


class SQLDeadEvents:
    """Revives or acknowledges dead events, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def revive(self, event_id: Any) -> bool:
        """Make a dead event pending and due, with its attempts reset; whether it was dead."""
        return self._prepared.database.retried(lambda: self._revive(event_id))

    def _revive(self, event_id: Any) -> bool:
        with self._prepared.database.writing() as connection:
            revived = connection.execute(
                update(event)
                .where(event.c.id == event_id, event.c.dead_at.is_not(None))
                .values(
                    dead_at=None,
                    acknowledged_at=None,
                    due_at=self._prepared.database.now(),
                    reserved_until=None,
                    revived_at=self._prepared.database.now(),
                    attempts=0,
                    postponed=0,
                )
            )
            if revived.rowcount != 1:
                return False
            connection.execute(
                delete(handling).where(handling.c.event_id == event_id, handling.c.gave_up)
            )
            return True

    def acknowledge(self, *, receiver: str | None = None, event_id: Any = None) -> int:
        """Acknowledge dead events, so that they raise no further alert."""
        return self._prepared.database.retried(lambda: self._acknowledge(receiver, event_id))

    def _acknowledge(self, receiver: str | None, event_id: Any) -> int:
        dead = update(event).where(event.c.dead_at.is_not(None), is_unacknowledged())
        if receiver is not None:
            dead = dead.where(came_to(receiver, event, self._prepared.database))
        if event_id is not None:
            dead = dead.where(event.c.id == event_id)
        with self._prepared.database.writing() as connection:
            return connection.execute(
                dead.values(acknowledged_at=self._prepared.database.now())
            ).rowcount


def is_unacknowledged() -> ColumnElement[bool]:
    """Whether a dead event has not been acknowledged since it last died."""
    is_old: ColumnElement[bool] = event.c.acknowledged_at < event.c.dead_at
    return event.c.acknowledged_at.is_(None) | is_old
