"""Sends, in a database: stored before they go out, so that no crash loses them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from ...exceptions import LedgerUnavailable
from ..records import OneAccount
from ..references import storable
from ..send_records import (
    Expected,
    Send,
    SendFilter,
    SendIntent,
    SendStanding,
    SendState,
    digest_of,
    once_key_of,
)
from .dialects.base import Database
from .expected_rows import expected_of, store_expected, template_columns
from .prepared import PreparedDatabase
from .send_queries import IS_KEPT, is_unknown, listed, one_send, standing
from .send_settlement import settle, settle_reference, settled_as
from .tables import send


class SQLSendRecord:
    """Stores sends, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def intend(self, intent: SendIntent) -> int | Send:
        """Record a send before it goes out, in a transaction of its own."""
        database = self._prepared.database
        # Detects a connection that died while idle, before anything is written.
        database.retried(lambda: self._ask(database))
        digest = digest_of(intent.external_reference_id)
        values = {
            "receiver": intent.receiver,
            "account": intent.account_id,
            "reference": storable(intent.external_reference_id),
            "reference_digest": digest,
            "once_key": once_key_of(intent) if intent.once else None,
            "campaign": storable(intent.campaign),
            **template_columns(intent.template, intent.language),
            "state": SendState.SENDING,
        }
        try:
            with database.writing() as connection:
                earlier = self._earlier(connection, intent, digest) if intent.once else None
                if earlier is None:
                    added = send.insert().values(**values, created_at=database.now())
                    key = connection.execute(added).inserted_primary_key
                    assert key is not None
                    return int(key[0])
        except LedgerUnavailable as error:
            if not (intent.once and isinstance(error.__cause__, IntegrityError)):
                raise
            with database.querying() as connection:  # another was quicker
                earlier = self._earlier(connection, intent, digest)
        found = None if earlier is None else self._one(earlier)
        if found is None or found.state.releases:  # released meanwhile, or pruned
            return self.intend(intent)
        return found

    def _ask(self, database: Database) -> datetime:
        with database.querying() as connection:
            return database.read_clock(connection)

    def _earlier(self, connection: Connection, intent: SendIntent, digest: str) -> int | None:
        uses = send.c.state.not_in([state for state in SendState if state.releases])
        is_its = (send.c.receiver == intent.receiver) & (send.c.reference_digest == digest)
        is_accounts = send.c.account == intent.account_id
        found: int | None = connection.scalar(
            select(send.c.id).where(is_its, is_accounts, uses).order_by(send.c.id).limit(1)
        )
        return found

    def _one(self, send_id: int) -> Send | None:
        database = self._prepared.database
        found = one_send(database, send_id)
        if found is None or found.state is not SendState.UNKNOWN:
            return found
        digest = digest_of(found.external_reference_id)
        settle_reference(database, found.account_id, digest, send_id)
        return one_send(database, send_id)

    def sent(self, send_id: int, message_id: str) -> None:
        """Store the message's id and row together; overrides any settlement."""
        self._prepared.database.retried(lambda: self._sent(send_id, message_id))

    def _sent(self, send_id: int, message_id: str) -> None:
        database = self._prepared.database
        with database.writing() as connection:
            its = (send.c.id == send_id) & IS_KEPT
            connection.execute(update(send).where(its).values(**settled_as(database, message_id)))
            row = connection.execute(select(send).where(its)).mappings().one_or_none()
            if row is not None:
                store_expected(connection, database, expected_of(row, message_id))

    def failed(self, send_id: int, state: SendState, error: str) -> None:
        """Store why it is refused, unsent or unknown; a settled send stays as it is."""
        database = self._prepared.database
        values = {
            "state": state,
            "error": storable(error),
            "settled_at": database.now() if state.is_settled else None,
        }
        if state.releases:
            values["once_key"] = None
        is_open = (send.c.id == send_id) & send.c.settled_at.is_(None)

        def write() -> None:
            with database.writing() as connection:
                connection.execute(update(send).where(is_open).values(values))

        database.retried(write)

    def close(self, send_id: int) -> bool:
        """Mark an unknown send as not sent; return whether it was unknown."""
        database = self._prepared.database
        closed = update(send).where(send.c.id == send_id, is_unknown(database))

        def write() -> bool:
            with database.writing() as connection:
                values = {
                    "state": SendState.UNSENT,
                    "once_key": None,
                    "settled_at": database.now(),
                }
                return connection.execute(closed.values(values)).rowcount == 1

        return database.retried(write)

    def expect(self, expected: Expected) -> None:
        """Store the message of a send that was made elsewhere."""
        database = self._prepared.database

        def write() -> None:
            with database.writing() as connection:
                store_expected(connection, database, expected)

        database.retried(write)

    def find(self, send_id: int) -> Send | None:
        """The send of that id; ``None`` if there is none."""
        return one_send(self._prepared.database, send_id)

    def listed(self, wanted: SendFilter) -> list[Send]:
        """The sends that meet every condition, newest first."""
        return listed(self._prepared.database, wanted)

    def standing(self, receiver: str, account: OneAccount | None = None) -> SendStanding:
        """The state of a receiver's sends, or of those of one of its accounts."""
        return standing(self._prepared.database, receiver, account)

    def settle(self) -> int:
        """Settle the unknown sends that the rule allows; return how many."""
        return settle(self._prepared.database)
