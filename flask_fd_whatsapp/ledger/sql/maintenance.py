"""What keeps a ledger in a database going: what is left, what can be forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, case, delete, exists, func, select, update

from ..views import Backlog, BeingHandled
from .dialects.base import Database
from .event_pages import came_to
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

    def prune(
        self, *, before: datetime, limit: int, receiver: str | Collection[str] | None = None
    ) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param receiver: only messages all of whose events came to the receivers of these names.
        """
        names = [receiver] if isinstance(receiver, str) else receiver
        return self.database.retried(
            lambda: forget(self.database, before=before, limit=limit, receivers=names)
        )

    def receivers(self) -> list[str]:
        """The names of the receivers that events came to, in order."""
        names: list[str] = []
        # One after the other, each with one look into the index, however many events there are.
        following = select(func.min(event.c.receiver))
        with self.database.querying() as connection:
            name = connection.scalar(following)
            while name is not None:
                names.append(name)
                name = connection.scalar(following.where(event.c.receiver > name))
        return names

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


def forget(
    database: Database, *, before: datetime, limit: int, receivers: Collection[str] | None
) -> int:
    """Forget at most *limit* messages; see :meth:`.Ledger.prune`."""
    is_old = (message.c.last_seen < before) & is_free(database.now())
    is_finished = ~exists().where(_OF_MESSAGE, event.c.due_at.is_not(None))
    found = select(message.c.id).limit(limit)
    if receivers is None:
        goes = is_old & is_finished
        # Most of what was first seen before that is to go, and an index has it in this order.
        found = found.where(message.c.first_seen < before, goes).order_by(message.c.first_seen)
    else:
        is_others = event.c.receiver.not_in(receivers)
        goes = is_old & is_finished & ~exists().where(_OF_MESSAGE, is_others)
        found = _by_first_event(found.where(is_old), before, receivers)
    locked: list[int] = []
    while True:
        with database.querying(patiently=True) as connection:
            keys = connection.scalars(found.where(message.c.id.not_in(locked))).all()
        if not keys:
            return 0
        # Locked until they are gone, or an event recorded meanwhile would go with them.
        still = select(message.c.id).where(message.c.id.in_(keys), goes)
        with database.forgetting() as connection:
            gone = connection.scalars(still.with_for_update(skip_locked=True)).all()
            _delete(connection, gone)
        if gone:
            return len(gone)
        locked += keys  # by others: what is behind them goes


_OF_MESSAGE: Final = event.c.message_key == message.c.id


def _by_first_event(
    found: Select[Any], before: datetime, receivers: Collection[str]
) -> Select[Any]:
    """What is found of messages all of whose events are finished and came to *receivers*.

    By the events' index: of the messages' own, others may keep millions that are as old.  One
    subquery, since PostgreSQL would answer several from the whole table.
    """
    first = event.alias("first")
    stays = event.c.due_at.is_not(None) | event.c.receiver.not_in(receivers)
    only_if_none_stays = (
        select(func.min(case((stays, 0), else_=event.c.id)))
        .where(event.c.message_key == first.c.message_key)
        .scalar_subquery()
    )
    return (
        found.join_from(first, message, message.c.id == first.c.message_key)
        .where(first.c.receiver.in_(receivers), first.c.received_at < before)
        .where(first.c.id == only_if_none_stays)
        .order_by(first.c.received_at)
    )


def _delete(connection: Connection, keys: Sequence[int]) -> None:
    events = select(event.c.id).where(event.c.message_key.in_(keys))
    connection.execute(delete(handling).where(handling.c.event_id.in_(events)))
    connection.execute(delete(event).where(event.c.message_key.in_(keys)))
    connection.execute(delete(message).where(message.c.id.in_(keys)))
