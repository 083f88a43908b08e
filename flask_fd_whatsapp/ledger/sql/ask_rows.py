"""Which messages to ask Freshdesk about, in a database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, case, delete, exists, func, or_, select, update

from ..asking import (
    GIVEN_UP_AFTER,
    NOT_FOUND_LIMIT,
    STEPS,
    AskCursor,
    Asked,
    AskFilter,
    Reconciled,
    by_need,
    outdated_runs,
    step_after,
)
from ..records import OneAccount
from ..references import storable
from .dialects.base import Database
from .event_pages import came_to
from .prepared import PreparedDatabase
from .quarantine import is_account_of
from .tables import event, message, reconciliation

GOOD_AT: Final = case(
    (reconciliation.c.stopped.is_(None), reconciliation.c.ended_at),
    else_=reconciliation.c.good_at,
)
"""When a run that could ask last ended: the previous version stores only why its last could not.
"""

_ASKS = func.coalesce(message.c.asks, 0)
_NOT_FOUND = func.coalesce(message.c.not_found, 0)

_ASKED = select(
    message.c.id,
    message.c.account_id,
    message.c.message_id,
    message.c.status,
    message.c.ask_at,
    _ASKS,
    _NOT_FOUND,
    message.c.first_seen,
)


class SQLAsking:
    """Schedules which messages to ask about, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def due(
        self, wanted: AskFilter, *, limit: int, after: AskCursor | None = None
    ) -> Sequence[Asked]:
        """The messages that are due to be asked about, oldest first, starting after *after*."""
        database = self._prepared.database
        query = _ASKED.where(*_met(wanted, database))
        if after is not None:
            first_seen = message.c.first_seen
            is_behind = (first_seen == after.first_seen) & (message.c.id > after.key)
            query = query.where(first_seen >= after.first_seen)
            query = query.where(or_(first_seen > after.first_seen, is_behind))
        query = query.order_by(message.c.first_seen, message.c.id).limit(limit)
        with database.querying(patiently=True) as connection:
            return [Asked(*row) for row in connection.execute(query)]

    def find(self, account_id: str, message_id: str) -> Asked | None:
        """One message, due or not; ``None`` if it is unknown."""
        query = _ASKED.where(message.c.account_id == account_id, message.c.message_id == message_id)
        with self._prepared.database.querying() as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else Asked(*row)

    def claim(self, asked: Asked) -> Asked | None:
        """Claim a message and schedule its next step; ``None`` if another process claimed it."""
        database = self._prepared.database
        asks = asked.asks + 1
        next_turn = database.now(after=step_after(asks).total_seconds())
        changed = update(message).where(*_still(asked)).values(ask_at=next_turn, asks=asks)
        with database.writing() as connection:
            if connection.execute(changed).rowcount != 1:
                return None
            ask_at = connection.scalar(select(message.c.ask_at).where(message.c.id == asked.key))
            return asked._replace(ask_at=ask_at, asks=asks)

    def put_back(self, claimed: Asked, before: Asked) -> None:
        """Release a claim, and restore the schedule from before it."""
        database = self._prepared.database
        changed = update(message).where(*_still(claimed))
        changed = changed.values(ask_at=before.ask_at, asks=before.asks)
        with database.writing() as connection:
            connection.execute(changed)

    def found(self, claimed: Asked, *, is_there: bool) -> None:
        """Count that Freshdesk did not find a message, or reset the count."""
        value = _NOT_FOUND + 1 if not is_there else None
        changed = update(message).where(message.c.id == claimed.key).values(not_found=value)
        with self._prepared.database.writing() as connection:
            connection.execute(changed)

    def told_since(
        self, moment: datetime, *, receiver: str, account: OneAccount | None = None
    ) -> int:
        """How many events recorded since *moment* came from the API, not the webhook."""
        database = self._prepared.database
        query = (
            select(func.count())
            .select_from(event)
            .where(event.c.source.is_not(None), came_to(receiver, event, database))
        )
        if account is not None:
            query = query.join(message).where(message.c.account_id.in_(account.ids))
        with database.querying(patiently=True) as connection:
            return connection.scalar(query.where(event.c.received_at >= moment)) or 0

    def last_webhook(self, *, receiver: str) -> tuple[str, datetime] | None:
        """The account of the last webhook that a receiver accepted, and when it arrived (UTC)."""
        query = (
            select(message.c.account_id, event.c.received_at)
            .join_from(event, message)
            .where(event.c.receiver == receiver, event.c.source.is_(None))
            .order_by(event.c.received_at.desc(), event.c.id.desc())
            .limit(1)
        )
        with self._prepared.database.querying() as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else (row[0], row[1])

    def note(
        self, receiver: str, *, asked: int, changed: int, stopped: str | None, is_good: bool
    ) -> None:
        """Store a run that has just ended as the last one; see :class:`Reconciled`."""
        database = self._prepared.database
        with database.writing() as connection:
            now = database.read_clock(connection)
            values = {
                "asked": asked,
                "changed": changed,
                "stopped": storable(stopped),
                "ended_at": now,
            }
            if is_good:
                values["good_at"] = now
            key = {"receiver": receiver}
            connection.execute(database.upsert(reconciliation, key, values, values))

    def runs(self, *, receiver: str) -> Sequence[Reconciled]:
        """The last run of the receiver and of each of its accounts."""
        columns = [one for one in reconciliation.c if one is not reconciliation.c.good_at]
        query = select(*columns, GOOD_AT.label("good_at")).where(is_current_run(receiver))
        with self._prepared.database.querying() as connection:
            rows = connection.execute(query).mappings()
            return sorted((Reconciled(**row) for row in rows), key=by_need)


def is_current_run(receiver: str) -> ColumnElement[bool]:
    """Whether a row is the last run of *receiver* or of one of its accounts.

    Not the receiver's own row if an account ran later: the previous version used it for accounts.
    """
    later = reconciliation.alias("later")
    has_later = exists().where(
        is_account_of(receiver, later.c.receiver), later.c.ended_at > reconciliation.c.ended_at
    )
    its = reconciliation.c.receiver
    return is_account_of(receiver, its) | ((its == receiver) & ~has_later)


def forget_runs(database: Database, before: datetime, receivers: Collection[str] | None) -> None:
    """Delete the :func:`.outdated_runs`."""
    with database.querying() as connection:
        rows = connection.execute(select(reconciliation.c.receiver, reconciliation.c.ended_at))
        names = outdated_runs({row[0]: row[1] for row in rows}, before, receivers)
    if not names:
        return
    old = delete(reconciliation).where(
        reconciliation.c.receiver.in_(names), reconciliation.c.ended_at < before
    )
    with database.writing() as connection:
        connection.execute(old)


def _still(asked: Asked) -> Iterator[ColumnElement[bool]]:
    yield message.c.id == asked.key
    yield message.c.ask_at.is_not_distinct_from(asked.ask_at)


def _met(wanted: AskFilter, database: Database) -> Iterator[ColumnElement[bool]]:
    now = database.now()
    yield message.c.account_id == wanted.account_id
    yield message.c.first_seen >= database.now(after=-GIVEN_UP_AFTER.total_seconds())
    yield _NOT_FOUND < NOT_FOUND_LIMIT
    yield message.c.status.is_(None) | message.c.status.in_(wanted.statuses)
    ask_at = message.c.ask_at
    if not wanted.is_recheck:
        yield message.c.last_seen < database.now(after=-wanted.stuck_for.total_seconds())
        yield ask_at.is_(None) | (ask_at <= now)
    else:
        yield or_(ask_at.is_(None), *_asked_long_ago(ask_at, database))
    if wanted.since is not None:
        yield message.c.first_seen >= wanted.since
    if wanted.until is not None:
        yield message.c.first_seen < wanted.until


def _asked_long_ago(ask_at: Any, database: Database) -> Iterator[ColumnElement[bool]]:
    """See :func:`~flask_fd_whatsapp.ledger.asking.is_due`."""
    for asks, step in enumerate(STEPS, 1):
        early = database.now(after=(step - STEPS[0]).total_seconds())
        is_it = asks <= _ASKS if asks == len(STEPS) else asks == _ASKS
        yield is_it & (ask_at <= early)
