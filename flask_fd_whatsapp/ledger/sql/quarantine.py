"""The quarantine in a database: bodies that could not be used, once each."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Insert, RowMapping, delete, func, insert, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ..views import IGNORED, Quarantined
from .database import Database, storable
from .tables import quarantine as table

logger = logging.getLogger(__name__)


class SQLQuarantine:
    """The part of :class:`SQLLedger` that keeps what could not be used."""

    @property
    def database(self) -> Database:
        """The database, its tables being up to date."""
        raise NotImplementedError

    def quarantine(
        self,
        body: bytes,
        *,
        receiver: str,
        reason: str,
        detail: str,
        headers: Mapping[str, str],
        keep: int,
    ) -> None:
        """Keep *body*, or count it once more; the oldest of more than *keep* goes."""
        now = datetime.now(UTC)
        first = {
            "receiver": receiver,
            "digest": hashlib.sha256(body).hexdigest(),
            "body": body,
            "first_seen": now,
            "count": 1,
        }
        last = {
            "is_ignored": reason == IGNORED,
            "reason": reason,
            "detail": storable(detail),
            "headers": json.dumps(dict(headers)),
            "last_seen": now,
        }
        with self.database.writing() as connection:
            connection.execute(self._upsert(first, last))
            self._drop_oldest(connection, keep, receiver, is_ignored=reason == IGNORED)

    def try_writing(self) -> None:
        """Write a row and take it back, as a full disk or a read-only database does not let one.

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
        with self.database.writing() as connection:
            connection.execute(insert(table).values(row))
            connection.execute(delete(table).where(table.c.digest == row["digest"]))

    def _upsert(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> Insert:
        """One statement: of two processes with the same body at once none may fail."""
        again = {**last, "count": table.c.count + 1}
        if self.database.is_mariadb:
            return mysql.insert(table).values(**first, **last).on_duplicate_key_update(again)
        make = sqlite.insert if self.database.is_sqlite else postgresql.insert
        return (
            make(table)
            .values(**first, **last)
            .on_conflict_do_update(index_elements=["receiver", "digest"], set_=again)
        )

    def _drop_oldest(
        self, connection: Connection, keep: int, receiver: str, *, is_ignored: bool
    ) -> None:
        shelf = (table.c.receiver == receiver) & (table.c.is_ignored == is_ignored)
        count = connection.scalar(select(func.count()).select_from(table).where(shelf)) or 0
        if count <= keep:
            return
        oldest = (
            select(table.c.id)
            .where(shelf)
            .order_by(table.c.last_seen, table.c.id)
            .limit(count - keep)
        )
        ids = connection.scalars(oldest).all()
        connection.execute(delete(table).where(table.c.id.in_(ids)))
        logger.warning(
            "The quarantine is full (FD_WHATSAPP_QUARANTINE_MAX is %d): its oldest %d are dropped.",
            keep,
            len(ids),
        )

    def quarantined(self) -> list[Quarantined]:
        """What is in quarantine, oldest first."""
        query = select(table).order_by(table.c.last_seen, table.c.id)
        with self.database.querying() as connection:
            return [_view(row) for row in connection.execute(query).mappings()]

    def discard(self, quarantined_id: Any) -> bool:
        """Take an entry out of quarantine; whether there was one."""
        with self.database.writing() as connection:
            gone = connection.execute(delete(table).where(table.c.id == quarantined_id))
            return gone.rowcount == 1


_HIDDEN = ("digest", "is_ignored")


def _view(row: RowMapping) -> Quarantined:
    values: dict[str, Any] = {str(name): row[name] for name in row if name not in _HIDDEN}
    return Quarantined(**{**values, "headers": json.loads(row["headers"])})
