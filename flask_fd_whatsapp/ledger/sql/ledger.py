"""The ledger in a database: durable, and shared by any number of processes and machines."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, cast

from flask import Flask
from sqlalchemy import Connection, Engine

from ...events import Status, is_ahead
from ...exceptions import ConfigurationError, LedgerUnavailable
from ..context import current_transaction
from ..records import Entry, Policy, Recorded
from ..views import State, Upgraded
from .claims import Claiming, found_by
from .dialects.base import Database
from .dialects.engines import BUSY_SECONDS, engine_from_url
from .dialects.registry import database_of
from .dialects.timeouts import LOCK_SECONDS
from .entries import values_of
from .maintenance import Upkeep
from .quarantine import SQLQuarantine
from .queries import Queries
from .rejection_notes import SQLRejections
from .replays import Replays
from .reservations import Reservations
from .rows import Found, Inserted
from .schema_version import is_behind, require_usable, revision


class SQLLedger(Claiming, Queries, Replays, Reservations, Upkeep, SQLQuarantine, SQLRejections):
    """Records in SQLite, PostgreSQL or MariaDB.

    :param engine: an SQLAlchemy engine of the host's own (Flask-SQLAlchemy's ``db.engine``, say).
        On SQLite its pragmas are the host's too: ``check`` says if they are not durable.
    :param migrated_by_host: the tables are in the host's own migrations: neither upgrade them
        nor look which version they are.
    :param upgrades: create and upgrade the tables at first use, instead of asking for
        ``flask fd-whatsapp upgrade``.
    :param is_own: nobody else uses the engine, and it was made as the ledger needs it.
    """

    durable = True

    def __init__(
        self,
        engine: Engine,
        *,
        upgrades: bool = False,
        migrated_by_host: bool = False,
        is_own: bool = False,
    ) -> None:
        self._database = database_of(engine, is_own=is_own)
        self._upgrades = upgrades
        self.migrated_by_host = migrated_by_host
        self._lock = Lock()

    @classmethod
    def from_url(cls, url: str, app: Flask) -> SQLLedger:
        """The ledger of ``FD_WHATSAPP_LEDGER_URL``.

        SQLite files are created and upgraded at first use.
        """
        engine = engine_from_url(url, app)
        return cls(engine, upgrades=engine.dialect.name == "sqlite", is_own=True)

    @property
    def database(self) -> Database:
        """The database, which is suitable and has its tables up to date.

        :raises LedgerUnavailable: if it is not: the message names the remedy.
        """
        if not self._database.is_prepared:
            self._prepare_once()
        return self._database

    def _prepare_once(self) -> None:
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise LedgerUnavailable(
                f"Another thread has been asking the database for {LOCK_SECONDS} seconds whether "
                "it can be used."
            )
        try:
            if not self._database.is_prepared:
                self._prepare()
                self._database.is_prepared = True
        finally:
            self._lock.release()

    def _prepare(self) -> None:
        self._database.require_suitable()
        if self.migrated_by_host:
            return
        engine = self._database.engine
        with self._database.translated():
            if self._upgrades and is_behind(revision(engine)):
                from .migrate import upgrade  # Alembic takes long to import

                upgrade(engine, patience=BUSY_SECONDS)
            require_usable(engine)

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded:
        """Create the tables, or bring them up to date, while events are recorded.

        :param to: a revision to stop at, instead of the newest.
        :param tell: is called with what is being done; perhaps from another thread.
        :raises ConfigurationError: if that is for the host's own migrations to do.
        :raises FreshdeskWhatsAppError: if there is no such revision.
        """
        if self.migrated_by_host:
            raise ConfigurationError(
                "The ledger's tables are in the application's own migrations "
                "(migrated_by_host=True): run those, such as `flask db upgrade`."
            )
        from .migrate import upgrade  # Alembic takes long to import, and is seldom needed

        self._database.require_suitable()
        with self._database.translated():
            return upgrade(self._database.engine, to, tell=tell)

    def check(self) -> list[str]:
        """Whether the database answers, has the tables it should, takes writes and keeps them."""
        database = self.database
        self.try_writing()
        return database.doubts()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, whatever the state of its tables."""
        return self._database.engine

    @property
    def transaction(self) -> Connection:
        """The connection in which a handler's writes commit together with its success.

        It is at READ COMMITTED (on SQLite at its own level), whatever the engine's level is.  If
        the database gives the transaction up for another's (a deadlock, a serialisation failure),
        the handler is called again at once, three times at most; after that it has failed.

        :raises FreshdeskWhatsAppError: outside a handler, or once the handler has ended.
        """
        connection: Connection = current_transaction(self)
        return connection

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message."""
        # One token for all tries: the first may have claimed the message already.
        token = secrets.token_hex(16) if claim else None
        return self.database.retried(lambda: self._record(entry, policy, token))

    def _record(self, entry: Entry, policy: Policy, token: str | None) -> Recorded:
        database, event = self._database, entry.event
        values = {**values_of(entry, database), "token": token}

        def insert(cursor: Any) -> Inserted | Found:
            # The times are those of when it is its turn.
            parameters = {**values, **database.times(lease=policy.lease_seconds)}
            if database.is_seen(cursor, parameters):
                found = cast(Found, found_by(cursor, database.statements.find, parameters))
                if self._says_nothing_new(entry, found):
                    return found  # nothing is written, so that no disk is waited for
            return database.insert(cursor, parameters)

        inserted = database.step(insert)
        if isinstance(inserted, Found):
            return inserted.recorded()
        if token != inserted.holder:
            token = None
        if inserted.event_id is None:
            parameters = {**values, **database.times(lease=policy.lease_seconds)}
            with database.transaction() as cursor:
                found = found_by(cursor, database.statements.find, parameters)
                # What has just been heard of is not pruned.
                return self._take_up(cursor, cast(Found, found), policy, token)
        return Recorded(
            id=inserted.event_id,
            state=State.PENDING,
            claim=(
                self._fresh_claim(policy, token, inserted.key, inserted.event_id) if token else None
            ),
            body=entry.body,
            headers=entry.headers,
            previous_status=Status(inserted.previous_status) if inserted.previous_status else None,
            is_stale=inserted.is_stale(event.status),
            external_reference_id=inserted.reference,
            campaign=inserted.campaign,
            superseded=is_ahead(inserted.status, of=event.status),
        )

    def _says_nothing_new(self, entry: Entry, found: Found) -> bool:
        """Whether it is a duplicate of what is done or dead, which need not be written at all."""
        if found.state is State.PENDING:
            return False
        if found.last_seen < self._database.moment(datetime.now(UTC) - timedelta(days=1)):
            return False  # what is heard of is not pruned: note it, once a day
        event = entry.event  # which may bring what the message still lacks
        if event.status == Status.FAILED and found.lacks(event.error):
            return False
        return (found.reference is not None or event.external_reference_id is None) and (
            found.campaign is not None or entry.campaign is None
        )
