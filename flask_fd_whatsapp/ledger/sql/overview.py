"""The overview for monitoring, from a database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import case, func, select

from ..records import OneAccount
from ..views import Backlog, BeingHandled
from .dead_events import is_unacknowledged
from .event_pages import came_to
from .prepared import PreparedDatabase
from .quarantine import kept_for
from .queries import distinct, is_free
from .tables import event, message, quarantine


class SQLOverview:
    """Provides the overview for monitoring, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def being_handled(
        self, *, receiver: str | None = None, account: OneAccount | None = None
    ) -> list[BeingHandled]:
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
            # By the index of pending events: claimed messages are few, and have no index.
            .where(event.c.due_at.is_not(None), event.c.status == message.c.claimed_status)
            .where(~is_free(self._prepared.database.now()))
            .order_by(message.c.claimed_at)
        )
        if receiver is not None:
            query = query.where(came_to(receiver, event, self._prepared.database))
        if account is not None:
            query = query.where(message.c.account_id.in_(account.ids))
        with self._prepared.database.querying() as connection:
            return [BeingHandled(**row) for row in connection.execute(query).mappings()]

    def backlog(self, *, receiver: str | None = None, account: OneAccount | None = None) -> Backlog:
        """The backlog of the ledger, or of this receiver."""
        events, bodies = [], []
        if receiver is not None:
            events = [came_to(receiver, event, self._prepared.database)]
            bodies = [kept_for(receiver)]
        if account is not None:
            its = select(message.c.id).where(message.c.account_id.in_(account.ids))
            events.append(event.c.message_key.in_(its))
            bodies = [quarantine.c.receiver == account.name]
        of_pending = select(func.count(), func.min(event.c.received_at), func.min(event.c.due_at))
        # An event being handled is not waiting, and its attempt has not failed yet.
        since = func.coalesce(event.c.revived_at, event.c.received_at)
        has_failed = (event.c.attempts > 0) & event.c.last_error.is_not(None)
        of_waiting = (
            select(func.min(event.c.due_at), func.min(case((has_failed, since))))
            .join_from(event, message)
            .where(event.c.due_at.is_not(None), is_free(self._prepared.database.now()), *events)
        )
        of_postponed = select(event.c.id, func.count().over()).where(
            event.c.due_at.is_not(None), event.c.postponed > 0, *events
        )
        of_dead = select(func.count(), func.count(case((is_unacknowledged(), event.c.id)))).where(
            event.c.dead_at.is_not(None), *events
        )
        # No GROUP BY, which would sort the bodies of a receiver's many accounts.
        kept = select(
            func.count(), func.count(case((quarantine.c.is_ignored, quarantine.c.id)))
        ).where(*bodies)
        with self._prepared.database.querying(patiently=True) as connection:
            pending, oldest, next_due = connection.execute(
                of_pending.where(event.c.due_at.is_not(None), *events)
            ).one()
            oldest_due, failing_since = connection.execute(of_waiting).one()
            most_postponed, postponed = connection.execute(
                of_postponed.order_by(event.c.postponed.desc(), event.c.id).limit(1)
            ).one_or_none() or (None, 0)
            dead, unacknowledged = connection.execute(of_dead).one()
            bodies_kept, ignored = connection.execute(kept).one()
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
                quarantined=bodies_kept - ignored,
                ignored=ignored,
            )

    def accepted_since(
        self, moment: datetime, *, receiver: str, account_ids: Collection[str]
    ) -> bool:
        """Whether a webhook for one of these accounts reached *receiver* after *moment*."""
        database = self._prepared.database
        # By the accounts' own messages, newest first: other accounts may have millions.
        query = (
            select(event.c.id)
            .join_from(message, event, event.c.message_key == message.c.id)
            .where(message.c.last_seen > moment, event.c.source.is_(None))
            .where(database.unselective(event.c.received_at > moment))
            .where(came_to(receiver, event, database))
            .order_by(message.c.message_id.desc())
            .limit(1)
        )
        with database.querying() as connection:
            return any(
                connection.scalar(query.where(message.c.account_id == account_id)) is not None
                for account_id in account_ids
            )

    def receivers(self) -> list[str]:
        """The names of the receivers with events, sorted."""
        with self._prepared.database.querying() as connection:
            return list(distinct(connection, event.c.receiver))
