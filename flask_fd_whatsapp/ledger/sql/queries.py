"""What can be asked of the ledger in a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, case, delete, func, select, update

from ...events import DeliveryError, Status
from ...exceptions import AmbiguousMessage
from ..views import Backlog, Event, Message, State
from .database import Database
from .tables import event, handling, message

_TIMES: Final = {status: message.c[f"{status.lower()}_at"] for status in Status}

_STATES: Final[Mapping[State, ColumnElement[bool]]] = {
    State.PENDING: event.c.due_at.is_not(None),
    State.DEAD: event.c.dead_at.is_not(None),
    State.DONE: event.c.due_at.is_(None) & event.c.dead_at.is_(None),
}

_EVENTS: Final = select(
    event.c.id,
    message.c.account_id,
    message.c.message_id,
    event.c.status,
    event.c.timestamp,
    event.c.received_at,
    event.c.receiver,
    event.c.is_stale,
    event.c.attempts,
    event.c.last_error,
    event.c.due_at,
    message.c.external_reference_id,
    message.c.campaign,
    case(
        (_STATES[State.PENDING], State.PENDING.value),
        (_STATES[State.DEAD], State.DEAD.value),
        else_=State.DONE.value,
    ).label("state"),
).join_from(event, message)


class Queries:
    """The part of :class:`SQLLedger` that answers questions."""

    @property
    def database(self) -> Database:
        """The database, its tables being up to date."""
        raise NotImplementedError

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown."""
        query = select(message).where(message.c.message_id == message_id)
        if account_id is not None:
            query = query.where(message.c.account_id == account_id)
        found = self._messages(query.limit(2))
        if len(found) > 1:
            raise AmbiguousMessage(
                f"Message {message_id} is known of several accounts: give account_id, such as "
                f"{found[0].account_id}."
            )
        return found[0] if found else None

    def messages(self, *, external_reference_id: str) -> list[Message]:
        """The messages sent with this reference, in the order they were first heard of."""
        has_it = message.c.external_reference_id == external_reference_id
        return self._messages(select(message).where(has_it).order_by(message.c.id))

    def _messages(self, query: Select[Any]) -> list[Message]:
        with self.database.querying() as connection:
            rows = connection.execute(query).mappings().all()
            unknown = connection.execute(
                select(event.c.message_key, event.c.status, event.c.timestamp).where(
                    event.c.message_key.in_([row["id"] for row in rows]),
                    event.c.status.not_in(list(Status)),
                )
            ).all()
        return [
            _message(row, {status: moment for key, status, moment in unknown if key == row["id"]})
            for row in rows
        ]

    def events(
        self,
        *,
        status: str | None = None,
        account_id: str | None = None,
        campaign: str | None = None,
        external_reference_id: str | None = None,
        message_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        state: State | None = None,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Event]:
        """Events, newest first."""
        # Of a million events few are pending or dead: not the primary key's order finds them,
        # but their index.
        place = event.c.id if state in (None, State.DONE) else event.c.id + 0
        query = _EVENTS.order_by(place.desc() if after is None else place).limit(limit)
        for column, value in (
            (event.c.status, status),
            (message.c.account_id, account_id),
            (message.c.campaign, campaign),
            (message.c.external_reference_id, external_reference_id),
            (message.c.message_id, message_id),
            (event.c.receiver, receiver),
        ):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(event.c.received_at >= since)
        if until is not None:
            query = query.where(event.c.received_at < until)
        if state is not None:
            query = query.where(_STATES[state])
        if before is not None:
            query = query.where(place < before)
        if after is not None:
            query = query.where(place > after)
        with self.database.querying() as connection:
            rows = connection.execute(query).mappings().all()
        return [Event(**{**row, "state": State(row["state"])}) for row in rows]

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """How many messages are at each status."""
        query = select(message.c.status, func.count()).group_by(message.c.status)
        query = query.where(message.c.status.is_not(None))
        if since is not None:
            query = query.where(message.c.first_seen >= since)
        if until is not None:
            query = query.where(message.c.first_seen < until)
        if campaign is not None:
            query = query.where(message.c.campaign == campaign)
        with self.database.querying() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {status: found.get(status, 0) for status in Status}

    def due(self, *, receiver: str, limit: int) -> Sequence[int]:
        """Ids of events that are due and whose message nobody is handling, longest due first."""
        now = self.database.now()
        query = (
            select(event.c.id)
            .join(message)
            .where(
                event.c.due_at <= now,
                event.c.receiver == receiver,
                message.c.claim_token.is_(None) | (message.c.claim_until <= now),
            )
            .order_by(event.c.due_at, event.c.id)
            .limit(limit)
        )
        with self.database.querying() as connection:
            return connection.scalars(query).all()

    def revive(self, event_id: Any) -> bool:
        """Make a dead event pending and due, its attempts forgotten; whether it was dead."""
        with self.database.writing() as connection:
            revived = connection.execute(
                update(event)
                .where(event.c.id == event_id, event.c.dead_at.is_not(None))
                .values(dead_at=None, due_at=self.database.now(), attempts=0)
            )
            return revived.rowcount == 1

    def backlog(self) -> Backlog:
        """How the ledger stands."""
        of_pending = select(func.count(), func.min(event.c.received_at))
        of_dead = select(func.count()).where(event.c.dead_at.is_not(None))
        with self.database.querying() as connection:
            pending, oldest = connection.execute(
                of_pending.where(event.c.due_at.is_not(None))
            ).one()
            return Backlog(
                last_received=connection.scalar(select(func.max(event.c.received_at))),
                pending=pending,
                dead=connection.scalar(of_dead) or 0,
                oldest_pending=oldest,
            )

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished."""
        is_unfinished = (
            select(event.c.id)
            .where(event.c.message_key == message.c.id, event.c.due_at.is_not(None))
            .exists()
        )
        oldest = (
            select(message.c.id)
            .where(message.c.last_seen < before, ~is_unfinished)
            .order_by(message.c.last_seen)
            .limit(limit)
            # Locked until they are gone, or an event recorded meanwhile would go with them.
            .with_for_update(skip_locked=True)
        )
        with self.database.writing() as connection:
            keys = connection.scalars(oldest).all()
            events_gone = select(event.c.id).where(event.c.message_key.in_(keys))
            connection.execute(delete(handling).where(handling.c.event_id.in_(events_gone)))
            connection.execute(delete(event).where(event.c.message_key.in_(keys)))
            connection.execute(delete(message).where(message.c.id.in_(keys)))
        return len(keys)


def _message(row: RowMapping, unknown: Mapping[str, datetime]) -> Message:
    times: dict[str, datetime] = {
        status: row[column] for status, column in _TIMES.items() if row[column]
    }
    has_failed = row["error_code"] is not None or row["error_message"] is not None
    return Message(
        account_id=row["account_id"],
        message_id=row["message_id"],
        status=Status(row["status"]) if row["status"] else None,
        external_reference_id=row["external_reference_id"],
        campaign=row["campaign"],
        times={**times, **unknown},
        error=DeliveryError(row["error_code"], row["error_message"]) if has_failed else None,
    )
