"""The ledger in a database: durable, and shared by any number of processes and machines."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, cast

from flask import Flask
from sqlalchemy import Connection, Engine

from ...events import Status, StatusEvent, is_ahead
from ...exceptions import ConfigurationError
from ..base import Entry, Policy, Recorded
from ..current import current_claim
from ..views import State
from .claim import SQLClaim
from .database import Database
from .dialects import database_of
from .engines import engine_from_url
from .entries import key_of, values_of
from .found import Found
from .migrate import is_current, require_current, upgrade
from .quarantine import SQLQuarantine
from .queries import Queries
from .rejections import SQLRejections
from .upkeep import Upkeep

FIRST_WAIT_SECONDS = 0.01
MAX_WAIT_SECONDS = 0.1


class SQLLedger(Queries, Upkeep, SQLQuarantine, SQLRejections):
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
        self._migrated_by_host = migrated_by_host
        self._is_ready = migrated_by_host
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
        """The database, its tables being up to date.

        :raises LedgerUnavailable: if they are not: the message names the command.
        """
        if not self._is_ready:
            with self._lock:
                if not self._is_ready:
                    self._prepare()
                    self._is_ready = True
        return self._database

    def _prepare(self) -> None:
        engine = self._database.engine
        with self._database.translated():
            if self._upgrades and not is_current(engine):
                upgrade(engine)
            require_current(engine)

    def upgrade(self) -> None:
        """Create the tables, or bring them up to date.

        :raises ConfigurationError: if that is for the host's own migrations to do.
        """
        if self._migrated_by_host:
            raise ConfigurationError(
                "The ledger's tables are in the application's own migrations "
                "(migrated_by_host=True): run those, such as `flask db upgrade`."
            )
        with self._database.translated():
            upgrade(self._database.engine)

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

        :raises FreshdeskWhatsAppError: outside a handler.
        """
        connection: Connection = current_claim(self).transaction
        return connection

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message."""
        return self.database.retried(lambda: self._record(entry, policy, claim=claim))

    def _record(self, entry: Entry, policy: Policy, *, claim: bool) -> Recorded:
        database, event = self._database, entry.event
        if database.looks_first:
            with database.reading() as cursor:
                found = self._find(cursor, event)
            if found is not None and self._says_nothing_new(entry, found):
                return found.recorded()
        token = secrets.token_hex(16) if claim else None
        values = values_of(entry, database)
        values |= database.times(lease=policy.lease_seconds)
        values["token"] = token
        inserted = database.step(lambda cursor: database.insert(cursor, values))
        if token != inserted.holder:
            token = None
        if inserted.event_id is None:
            with database.transaction() as cursor:
                found = self._find(cursor, event)
                # What has just been heard of is not pruned.
                return self._take_up(cursor, cast(Found, found), policy, token)
        return Recorded(
            id=inserted.event_id,
            state=State.PENDING,
            claim=self._claim(policy, token, inserted.key, inserted.event_id, 1) if token else None,
            body=entry.body,
            headers=entry.headers,
            previous_status=Status(inserted.previous_status) if inserted.previous_status else None,
            is_stale=inserted.is_stale(event.status),
            external_reference_id=inserted.reference,
            campaign=inserted.campaign,
            superseded=is_ahead(inserted.status, of=event.status),
        )

    def claim(
        self, event_id: int, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, asking again until *wait* seconds are over."""
        deadline = time.monotonic() + wait
        pause = FIRST_WAIT_SECONDS
        while True:
            recorded = self.database.retried(
                lambda: self._try_to_claim(event_id, policy, settled=settled)
            )
            if recorded is None or recorded.claim:
                return recorded
            if (recorded.state is State.PENDING) == settled:
                return recorded
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return recorded
            time.sleep(min(pause, remaining))
            pause = min(pause * 2, MAX_WAIT_SECONDS)

    def _try_to_claim(self, event_id: int, policy: Policy, *, settled: bool) -> Recorded | None:
        database = self.database
        statement, times = (
            database.statements.find_by_id,
            database.times(lease=policy.lease_seconds),
        )
        parameters = {"event_id": event_id, **times}
        # A look of its own first: to claim by the event would lock event before message, and
        # the others lock message before event.
        with database.reading() as cursor:
            found = _found(cursor, statement, parameters)
        if found is None:
            return None
        if found.is_held or (found.state is State.PENDING) == settled:
            return found.recorded()
        token = secrets.token_hex(16)
        with database.transaction() as cursor:
            cursor.execute(
                database.statements.claim,
                {"message_key": found.message_key, "token": token, **times},
            )
            if cursor.rowcount != 1:
                return found.recorded()
            found = _found(cursor, statement, parameters)
            if found is None:
                return None
            return self._take_up(cursor, found, policy, token, settled=settled)

    def _find(self, cursor: Any, event: StatusEvent) -> Found | None:
        parameters = {**key_of(event), **self._database.times()}
        return _found(cursor, self._database.statements.find, parameters)

    def _says_nothing_new(self, entry: Entry, found: Found) -> bool:
        """Whether it is a duplicate of what is done or dead, which need not be written at all."""
        if found.state is State.PENDING:
            return False
        if found.last_seen < self._database.moment(datetime.now(UTC) - timedelta(days=1)):
            return False  # what is heard of is not pruned: note it, once a day
        # It may bring what the message still lacks.
        return (found.reference is not None or entry.event.external_reference_id is None) and (
            found.campaign is not None or entry.campaign is None
        )

    def _take_up(
        self,
        cursor: Any,
        found: Found,
        policy: Policy,
        token: str | None,
        *,
        settled: bool = False,
    ) -> Recorded:
        """An event that was there already: count the try if it is ours, or give the claim back."""
        if token is None:
            return found.recorded()
        database, statements = self._database, self._database.statements
        parameters = {
            "event_id": found.event_id,
            "message_key": found.message_key,
            "token": token,
            **database.times(lease=policy.lease_seconds),
        }
        state, attempts = found.state, found.attempts
        if (state is State.PENDING) == settled:
            database.release(cursor, parameters, ())
            return found.recorded()
        if not settled:
            if attempts >= policy.max_attempts:
                database.release(cursor, parameters, ())
                cursor.execute(statements.dead, {**parameters, "last_error": None})
                return replace(found.recorded(), state=State.DEAD, has_died=True)
            cursor.execute(statements.tried, parameters)
            attempts += 1
        cursor.execute(statements.handlers, parameters)
        return found.recorded(
            claim=self._claim(policy, token, found.message_key, found.event_id, attempts, state),
            succeeded=frozenset(name for (name,) in cursor.fetchall()),
        )

    def _claim(
        self,
        policy: Policy,
        token: str,
        key: int,
        event_id: int,
        attempts: int,
        state: State = State.PENDING,
    ) -> SQLClaim:
        return SQLClaim(
            self._database,
            policy,
            token=token,
            message_key=key,
            event_id=event_id,
            attempts=attempts,
            state=state,
        )


def _found(cursor: Any, statement: str, parameters: Mapping[str, Any]) -> Found | None:
    cursor.execute(statement, parameters)
    row = cursor.fetchone()
    return None if row is None else Found._make(row)
