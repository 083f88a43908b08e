"""Settles sends whose answer was lost, from the messages recorded since."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from ..send_records import Send, SendState, WithReference, settlement
from .dialects.base import Database
from .expected_rows import expected_of, store_expected
from .send_queries import free_messages, is_unknown, send_of
from .tables import send

AT_ONCE: Final = 1000
"""How many unknown references are read per batch."""


def settle(database: Database) -> int:
    """Settle the unknown sends that the rule allows; return how many."""
    its_key = send.c.account, send.c.reference_digest
    unknown = (
        select(*its_key, func.max(send.c.id))
        .where(is_unknown(database))
        .group_by(*its_key)
        .order_by(*its_key)
        .limit(AT_ONCE)
    )
    count = 0
    page = unknown
    while True:
        with database.querying() as connection:
            references = connection.execute(page).all()
        for account, digest, newest in references:
            count += settle_reference(database, account, digest, newest)
        if len(references) < AT_ONCE:
            return count
        account, digest, _ = references[-1]
        page = unknown.where(
            (send.c.account > account)
            | ((send.c.account == account) & (send.c.reference_digest > digest))
        )


def settle_reference(database: Database, account: str, digest: str, newest: int) -> int:
    """Settle the sends with one reference, if the rule allows it; return how many.

    :param newest: the id of one of its sends.
    """
    with database.querying() as connection:
        found = settlement(_with_reference(connection, database, account, digest, newest))
    return 0 if found is None else database.retried(lambda: _settle(database, *found))


def _settle(database: Database, one: Send, message_id: str) -> int:
    with database.writing() as connection:
        is_open = (send.c.id == one.id) & send.c.settled_at.is_(None)
        values = settled_as(database, message_id)
        count = connection.execute(update(send).where(is_open).values(**values)).rowcount
        if count:
            row = connection.execute(select(send).where(send.c.id == one.id)).mappings().one()
            store_expected(connection, database, expected_of(row, message_id))
        return count


def settled_as(database: Database, message_id: str) -> dict[str, Any]:
    """The columns of a send that became a message."""
    return {
        "state": SendState.SENT,
        "message_id": message_id,
        "settled_at": database.now(),
        "error": None,
    }


def _with_reference(
    connection: Connection, database: Database, account: str, digest: str, newest: int
) -> WithReference:
    """What is known of a reference, in the order that :class:`WithReference` asks for."""
    reference: str | None = connection.scalar(select(send.c.reference).where(send.c.id == newest))
    free = free_messages(connection, account, reference or "")
    now = database.read_clock(connection)
    query = select(send).where(send.c.account == account, send.c.reference_digest == digest)
    rows = connection.execute(query).mappings()
    return WithReference(free, [send_of(row, now) for row in rows], now)
