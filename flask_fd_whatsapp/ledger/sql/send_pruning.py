"""What was sent goes with its message, and what became no message when it is as old."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, select

from .dialects.base import Database
from .tables import event, message, send


def delete_sends(connection: Connection, keys: Sequence[int]) -> None:
    """Delete the sends of the messages of these keys, which are about to go."""
    of_accounts: defaultdict[str, list[str]] = defaultdict(list)
    named = select(message.c.account_id, message.c.message_id).where(message.c.id.in_(keys))
    for account_id, message_id in connection.execute(named):
        of_accounts[account_id].append(message_id)
    for account_id, ids in of_accounts.items():
        its = send.c.message_id.in_(ids) & (send.c.account == account_id)
        connection.execute(delete(send).where(its))


def unheard(found: Select[Any], before: datetime, receivers: Collection[str]) -> Select[Any]:
    """What is found of messages that were sent for *receivers*, and never heard of."""
    is_its = (send.c.message_id == message.c.message_id) & (send.c.account == message.c.account_id)
    return (
        found.join_from(send, message, is_its)
        .where(send.c.receiver.in_(receivers), send.c.created_at < before)
        .where(~exists().where(event.c.message_key == message.c.id))
    )


def forget_sends(
    database: Database,
    of_these: ColumnElement[bool],
    *,
    before: datetime,
    limit: int,
    receivers: Collection[str] | None,
) -> None:
    """Forget those of the sends that became no message, some at a time."""
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
