"""A send is pruned with its message or, if it became none, at the same age.

When a person's messages are erased, a digest of the reference stays until then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, select, update

from ..send_records import SendState
from .dialects.base import Database
from .send_queries import IS_KEPT
from .tables import message, send

_RELEASED: Final = [state for state in SendState if state.releases]


def delete_sends(connection: Connection, keys: Sequence[int]) -> None:
    """Delete the sends of the messages with these keys, about to be deleted."""
    for its in _of_messages(connection, keys):
        connection.execute(delete(send).where(its))


def erase_sends(database: Database, connection: Connection, keys: Sequence[int]) -> None:
    """Erase the sends of the messages with these keys, about to be deleted."""
    for its in _of_messages(connection, keys):
        _erase(connection, database, its)


def erase_sends_of_none(
    connection: Connection, database: Database, of_sends: ColumnElement[bool]
) -> int:
    """Erase those among these sends that became no message; return how many."""
    of_none = of_sends & send.c.message_id.is_(None) & IS_KEPT
    released = delete(send).where(of_none, send.c.state.in_(_RELEASED))
    return connection.execute(released).rowcount + _erase(connection, database, of_none)


def _erase(connection: Connection, database: Database, its: ColumnElement[bool]) -> int:
    nothing = dict.fromkeys(("message_id", "campaign", "template", "language", "error"))
    erased = {"reference": "", "state": SendState.SENT, "settled_at": database.now()}
    return connection.execute(update(send).where(its).values(**nothing, **erased)).rowcount


def _of_messages(connection: Connection, keys: Sequence[int]) -> Iterator[ColumnElement[bool]]:
    of_accounts: defaultdict[str, list[str]] = defaultdict(list)
    named = select(message.c.account_id, message.c.message_id).where(message.c.id.in_(keys))
    for account_id, message_id in connection.execute(named):
        of_accounts[account_id].append(message_id)
    for account_id, ids in of_accounts.items():
        yield send.c.message_id.in_(ids) & (send.c.account == account_id)


def forget_sends(
    database: Database,
    of_these: ColumnElement[bool],
    *,
    before: datetime,
    limit: int,
    receivers: Collection[str] | None,
) -> None:
    """Delete those of the sends that became no message, in batches."""
    old = select(send.c.id).where(send.c.message_id.is_(None), send.c.created_at < before, of_these)
    if receivers is not None:
        old = old.where(send.c.receiver.in_(receivers))
    while True:
        with database.querying(patiently=True) as connection:
            ids = connection.scalars(old.limit(limit)).all()
        if not ids:
            return
        with database.forgetting() as connection:
            connection.execute(delete(send).where(send.c.id.in_(ids)))
