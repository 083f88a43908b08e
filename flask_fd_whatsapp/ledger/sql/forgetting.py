"""Prunes and erases messages in a database, and adds their counts to the aggregates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from time import monotonic, sleep
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    case,
    delete,
    exists,
    func,
    select,
)

from ...engagement.report import ReportRules
from ..views import Erased
from .aggregates import fold_into, keep_digests
from .dialects.base import Database
from .drift_rows import forget_examples
from .queries import is_free
from .report_rows import fill_sent_on
from .send_pruning import delete_sends, erase_sends, erase_sends_of_none
from .tables import event, handler_error, handling, message

RECORDING_SECONDS: Final = 5
"""How long pruning waits, at most, for events that are being recorded."""

_LOOK_AGAIN_SECONDS: Final = 0.01


def forget(
    database: Database,
    rules: ReportRules,
    is_old: ColumnElement[bool],
    *,
    before: datetime,
    limit: int,
    receivers: Collection[str] | None,
) -> int:
    """Prune at most *limit* old messages, and fold them; see :meth:`.Ledger.prune`."""
    is_old &= is_free(database.now())
    is_finished = ~exists().where(_OF_MESSAGE, event.c.due_at.is_not(None))
    found = select(message.c.id).limit(limit)
    others: list[Select[Any]] = []
    if receivers is None:
        goes = is_old & is_finished
        # Most messages first seen before that can go, and an index has them in this order.
        found = found.where(message.c.first_seen < before, goes).order_by(message.c.first_seen)
    else:
        is_others = event.c.receiver.not_in(receivers)
        goes = is_old & is_finished & ~exists().where(_OF_MESSAGE, is_others)
        others = _unheard(found.where(is_old), before, receivers)
        found = _by_first_event(found.where(is_old), before, receivers)
    locked: list[int] = []
    while True:
        with database.querying(patiently=True) as connection:
            keys: Sequence[int] = ()
            for query in (found, *others):
                keys = keys or connection.scalars(query.where(message.c.id.not_in(locked))).all()
        if not keys:
            return 0
        gone = _fold_and_delete(database, rules, keys, goes, delete_sends)
        if gone:
            return len(gone)
        locked += keys  # by others: prune those after them


def erase(
    database: Database,
    rules: ReportRules,
    its: ColumnElement[bool],
    of_sends: ColumnElement[bool],
) -> Erased:
    """Erase messages, finished or not, and sends without one; see :meth:`.Ledger.erase`.

    Each step is retried separately, so that earlier counts are kept.
    """
    database.retried(lambda: fill_sent_on(database))
    erased = 0
    held: list[int] = []
    found = select(message.c.id).where(its).limit(_ERASED_AT_ONCE)

    def erase_some() -> tuple[Sequence[int], Sequence[int]]:
        with database.querying(patiently=True) as connection:
            keys = connection.scalars(found.where(message.c.id.not_in(held))).all()
        if not keys:
            return keys, keys
        goes = is_free(database.now())
        return keys, _fold_and_delete(database, rules, keys, goes, partial(erase_sends, database))

    while True:
        keys, gone = database.retried(erase_some)
        if not keys:
            break
        erased += len(gone)
        held += set(keys) - set(gone)
    sends = database.retried(lambda: _erase_of_none(database, of_sends))
    database.retried(lambda: forget_examples(database))
    return Erased(messages=erased, sends=sends, held=_left(database, held))


def _erase_of_none(database: Database, of_sends: ColumnElement[bool]) -> int:
    """Erase sends in a durable transaction, which makes earlier ones durable too."""
    with database.writing() as connection:
        return erase_sends_of_none(connection, database, of_sends)


def _left(database: Database, keys: Sequence[int]) -> int:
    """How many of these still exist: another process may have pruned or erased some."""
    if not keys:
        return 0
    left = select(func.count()).where(message.c.id.in_(keys))
    with database.querying() as connection:
        return connection.scalar(left) or 0


_ERASED_AT_ONCE: Final = 500


def _fold_and_delete(
    database: Database,
    rules: ReportRules,
    keys: Sequence[int],
    goes: ColumnElement[bool],
    drop_sends: Callable[[Connection, Sequence[int]], None],
) -> Sequence[int]:
    """Delete those messages that still may go and are not locked; return their keys.

    :param drop_sends: deletes or erases their sends.
    """
    if not database.has_one_writer:
        # Before locking the row: an event that waits for it has looked for the digest already.
        with database.forgetting() as connection:
            keep_digests(database, connection, keys)
        _let_finish(database)
    # Locked until deleted, or an event recorded meanwhile would be deleted with them.
    has_time = message.c.sent_on.is_not(None)
    still = select(message.c.id).where(message.c.id.in_(keys), goes, has_time)
    with database.forgetting() as connection:
        gone = connection.scalars(still.with_for_update(skip_locked=True)).all()
        if gone:
            fold_into(database, connection, gone, rules)
            if database.has_one_writer:
                keep_digests(database, connection, gone)
            drop_sends(connection, gone)
            _delete(connection, gone)
    return gone


def _let_finish(database: Database) -> None:
    """Wait for events being recorded: they may have looked before the digests were stored."""
    deadline = monotonic() + RECORDING_SECONDS
    begun: set[Any] | None = None
    while begun is None or begun:
        with database.querying() as connection:
            going_on = database.recordings(connection)
        begun = going_on if begun is None else begun & going_on
        if begun:
            if monotonic() > deadline:
                return
            sleep(_LOOK_AGAIN_SECONDS)


_OF_MESSAGE: Final = event.c.message_key == message.c.id


def _by_first_event(
    found: Select[Any], before: datetime, receivers: Collection[str]
) -> Select[Any]:
    """Find messages all of whose events are finished and came to *receivers*.

    By the events' index: in that of messages, other receivers may have millions as old.  One
    subquery, since several may each scan the whole table.
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


def _unheard(found: Select[Any], before: datetime, receivers: Collection[str]) -> list[Select[Any]]:
    """Find messages without any event that were sent for *receivers*, or for no receiver in
    particular.

    By their own index, in which few are left once the messages with events are pruned.
    """
    never_heard = found.where(
        message.c.expected_at.is_not(None),
        message.c.first_seen < before,
        ~exists().where(_OF_MESSAGE),
    )
    whose = (message.c.receiver.in_(receivers), message.c.receiver.is_(None))
    return [never_heard.where(one) for one in whose]


def _delete(connection: Connection, keys: Sequence[int]) -> None:
    events = select(event.c.id).where(event.c.message_key.in_(keys))
    for table in (handling, handler_error):
        connection.execute(delete(table).where(table.c.event_id.in_(events)))
    connection.execute(delete(event).where(event.c.message_key.in_(keys)))
    connection.execute(delete(message).where(message.c.id.in_(keys)))
