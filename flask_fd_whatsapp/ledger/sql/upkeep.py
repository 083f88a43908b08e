"""What keeps a ledger in a database going: what is left, what can be forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, select, update

from ..views import Backlog, BeingHandled
from .database import Database
from .event_pages import came_to
from .pruning import forget
from .queries import is_free
from .tables import event, handling, message, quarantine


class Upkeep:
    """The part of :class:`SQLLedger` that the commands work with."""

    @property
    def database(self) -> Database:
        """The database, its tables being up to date."""
        raise NotImplementedError

    def revive(self, event_id: Any) -> bool:
        """Make a dead event pending and due, its attempts forgotten; whether it was dead."""
        return self.database.retried(lambda: self._revive(event_id))

    def _revive(self, event_id: Any) -> bool:
        with self.database.writing() as connection:
            revived = connection.execute(
                update(event)
                .where(event.c.id == event_id, event.c.dead_at.is_not(None))
                .values(
                    dead_at=None,
                    due_at=self.database.now(),
                    reserved_until=None,
                    revived_at=self.database.now(),
                    attempts=0,
                    postponed=0,
                )
            )
            connection.execute(
                delete(handling).where(handling.c.event_id == event_id, handling.c.gave_up)
            )
            return revived.rowcount == 1

    def acknowledge(self, *, receiver: str | None = None, event_id: Any = None) -> int:
        """Take note of the events that are dead, so that nobody is told of them again."""
        return self.database.retried(lambda: self._acknowledge(receiver, event_id))

    def _acknowledge(self, receiver: str | None, event_id: Any) -> int:
        dead = update(event).where(event.c.dead_at.is_not(None), _is_unacknowledged())
        if receiver is not None:
            dead = dead.where(came_to(receiver, event, self.database))
        if event_id is not None:
            dead = dead.where(event.c.id == event_id)
        with self.database.writing() as connection:
            return connection.execute(dead.values(acknowledged_at=self.database.now())).rowcount

    def being_handled(self, *, receiver: str | None = None) -> list[BeingHandled]:
        """The pending events that are being handled right now, longest first."""
        query = (
            select(
                event.c.receiver,
                event.c.id.label("event_id"),
                message.c.account_id,
                message.c.message_id,
                event.c.status,
                message.c.claimed_at.label("since"),
            )
            .join(message)
            # Found by what is pending: few of a million messages are claimed, and no index says so.
            .where(event.c.due_at.is_not(None), event.c.status == message.c.claimed_status)
            .where(~is_free(self.database.now()))
            .order_by(message.c.claimed_at)
        )
        if receiver is not None:
            query = query.where(came_to(receiver, event, self.database))
        with self.database.querying() as connection:
            return [BeingHandled(**row) for row in connection.execute(query).mappings()]

    def backlog(self, *, receiver: str | None = None) -> Backlog:
        """How the ledger stands, or what is in it of the receiver of this name."""
        is_ignored = quarantine.c.is_ignored
        events, bodies = [], []
        if receiver is not None:
            events = [came_to(receiver, event, self.database)]
            bodies = [quarantine.c.receiver == receiver]
        of_pending = select(func.count(), func.min(event.c.received_at), func.min(event.c.due_at))
        # What is being handled is not waiting, nor has its try failed yet.
        since = func.coalesce(event.c.revived_at, event.c.received_at)
        has_failed = (event.c.attempts > 0) & event.c.last_error.is_not(None)
        of_waiting = (
            select(func.min(event.c.due_at), func.min(case((has_failed, since))))
            .join_from(event, message)
            .where(event.c.due_at.is_not(None), is_free(self.database.now()), *events)
        )
        of_postponed = select(event.c.id, func.count().over()).where(
            event.c.due_at.is_not(None), event.c.postponed > 0, *events
        )
        of_dead = select(func.count(), func.count(case((_is_unacknowledged(), event.c.id)))).where(
            event.c.dead_at.is_not(None), *events
        )
        kept = select(is_ignored, func.count()).where(*bodies).group_by(is_ignored)
        with self.database.querying(patiently=True) as connection:
            pending, oldest, next_due = connection.execute(
                of_pending.where(event.c.due_at.is_not(None), *events)
            ).one()
            oldest_due, failing_since = connection.execute(of_waiting).one()
            most_postponed, postponed = connection.execute(
                of_postponed.order_by(event.c.postponed.desc(), event.c.id).limit(1)
            ).one_or_none() or (None, 0)
            dead, unacknowledged = connection.execute(of_dead).one()
            count = {row[0]: row[1] for row in connection.execute(kept)}
            return Backlog(
                last_received=connection.scalar(
                    select(func.max(event.c.received_at)).where(*events)
                ),
                pending=pending,
                oldest_pending=oldest,
                next_due=next_due,
                oldest_due=oldest_due,
                failing_since=failing_since,
                postponed=postponed,
                most_postponed=most_postponed,
                dead=dead,
                unacknowledged=unacknowledged,
                quarantined=count.get(False, 0),
                ignored=count.get(True, 0),
            )

    def prune(self, *, before: datetime, limit: int, receiver: str | None = None) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param receiver: only messages all of whose events came to the receiver of this name.
        """
        return self.database.retried(
            lambda: forget(self.database, before=before, limit=limit, receiver=receiver)
        )

    @property
    def compacts(self) -> str:
        """What :meth:`compact` does, and whom it locks out."""
        return self.database.compacts

    def compact(self) -> None:
        """Give back the space of what was forgotten."""
        self.database.compact()


def _is_unacknowledged() -> ColumnElement[bool]:
    """Whether nobody has taken note of a dead event since it died, for the last time."""
    is_old: ColumnElement[bool] = event.c.acknowledged_at < event.c.dead_at
    return event.c.acknowledged_at.is_(None) | is_old
