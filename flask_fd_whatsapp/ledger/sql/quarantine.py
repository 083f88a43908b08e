"""The quarantine in a database: unusable bodies, once each."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from ..records import Unusable, name_of_account
from ..references import storable
from ..views import IGNORED, Quarantined
from .dialects.base import Database
from .prepared import PreparedDatabase
from .tables import quarantine as table

_ENTRIES: Final = select(
    *(column for column in table.c if column.name not in ("body", "digest", "is_ignored")),
    func.length(table.c.body).label("size"),
)


class SQLQuarantine:
    """Keeps unusable bodies, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def keep(self, unusable: Unusable, *, at_most: int, is_replay: bool = False) -> int:
        """Keep a body, or count it again; return how many others were evicted."""
        return self._prepared.database.retried(
            lambda: self._keep(unusable, at_most, is_replay=is_replay)
        )

    def _keep(self, unusable: Unusable, at_most: int, *, is_replay: bool) -> int:
        now = datetime.now(UTC)
        is_ignored = unusable.reason == IGNORED
        key = {
            "receiver": unusable.receiver,
            "digest": hashlib.sha256(unusable.body).hexdigest(),
        }
        first = {"body": unusable.body, "first_seen": now, "last_seen": now, "count": 1}
        judged = {
            "is_ignored": is_ignored,
            "reason": unusable.reason,
            "detail": storable(unusable.detail),
            "headers": json.dumps(dict(unusable.headers)),
        }
        again = {} if is_replay else {"last_seen": now, "count": table.c.count + 1}
        with self._prepared.database.writing() as connection:
            connection.execute(
                self._prepared.database.upsert(table, key, {**first, **judged}, {**judged, **again})
            )
            return _drop_oldest(connection, at_most, unusable.receiver, is_ignored=is_ignored)

    def entries(
        self,
        *,
        receiver: str | None = None,
        before: Any = None,
        after: Any = None,
        limit: int = 100,
    ) -> list[Quarantined]:
        """The quarantined entries, newest (by when they were first seen) first."""
        query = _ENTRIES.order_by(table.c.id.desc() if after is None else table.c.id).limit(limit)
        if receiver is not None:
            query = query.where(self._prepared.database.unselective(kept_for(receiver)))
        if before is not None:
            query = query.where(table.c.id < before)
        if after is not None:
            query = query.where(table.c.id > after)
        with self._prepared.database.querying() as connection:
            rows = connection.execute(query).mappings().all()
        return [Quarantined(**{**row, "headers": json.loads(row["headers"])}) for row in rows]

    def body(self, quarantined_id: Any) -> bytes | None:
        """The body of an entry, ``None`` if it is not, or no longer, in quarantine."""
        query = select(table.c.body).where(table.c.id == quarantined_id)
        with self._prepared.database.querying() as connection:
            return connection.scalar(query)

    def discard(self, quarantined_id: Any) -> bool:
        """Remove an entry from quarantine; return whether there was one."""
        with self._prepared.database.writing() as connection:
            gone = connection.execute(delete(table).where(table.c.id == quarantined_id))
            return gone.rowcount == 1


def kept_for(receiver: str, name: ColumnElement[str] = table.c.receiver) -> ColumnElement[bool]:
    """Whether a body came to *receiver*, or to one of its accounts.

    :param name: the receiver's column of another table.
    """
    return (name == receiver) | is_account_of(receiver, name)


def is_account_of(receiver: str, name: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether *name* is one of the receiver's accounts; case-sensitive, unlike LIKE."""
    prefix = name_of_account(receiver, "")
    return func.substr(name, 1, len(prefix)) == prefix


def _drop_oldest(connection: Connection, at_most: int, receiver: str, *, is_ignored: bool) -> int:
    """Keep at most *at_most* of the receiver's ignored entries, or of its others."""
    shelf = (table.c.receiver == receiver) & (table.c.is_ignored == is_ignored)
    count = connection.scalar(select(func.count()).select_from(table).where(shelf)) or 0
    if count <= at_most:
        return 0
    oldest = (
        select(table.c.id)
        .where(shelf)
        .order_by(table.c.last_seen, table.c.id)
        .limit(count - at_most)
    )
    ids = connection.scalars(oldest).all()
    connection.execute(delete(table).where(table.c.id.in_(ids)))
    return len(ids)


def try_writing(database: Database) -> None:
    """Write a row and delete it, which fails on a full disk or a read-only database.

    :raises LedgerUnavailable: with the reason.
    """
    now = datetime.now(UTC)
    row = {
        "receiver": "",
        "digest": secrets.token_hex(32),
        "body": bytes(4096),
        "first_seen": now,
        "count": 0,
        "is_ignored": False,
        "reason": "check",
        "detail": "",
        "headers": "{}",
        "last_seen": now,
    }
    with database.writing() as connection:
        connection.execute(insert(table).values(row))
        connection.execute(delete(table).where(table.c.digest == row["digest"]))
