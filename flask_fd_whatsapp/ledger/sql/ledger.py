"""The ledger in a database: durable, and shared by any number of processes and machines."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Engine

from ...events import Status, StatusEvent, is_ahead, rank_of
from ...exceptions import ConfigurationError
from ..base import Entry, Policy, Recorded
from ..current import current_claim
from ..views import State
from .claim import SQLClaim
from .database import Database, engine_from_url, storable
from .migrate import is_current, require_current, upgrade
from .quarantine import SQLQuarantine
from .queries import Queries

_TIME_COLUMNS = {status: f"{status.lower()}_at" for status in Status}
_NO_TIMES = dict.fromkeys(_TIME_COLUMNS.values())

FIRST_WAIT_SECONDS = 0.01
MAX_WAIT_SECONDS = 0.1


class SQLLedger(Queries, SQLQuarantine):
    """Records in SQLite, PostgreSQL or MariaDB.

    :param engine: an SQLAlchemy engine of the host's own (Flask-SQLAlchemy's ``db.engine``, say).
        On SQLite its pragmas are the host's too: ``check`` says if they are not durable.
    :param migrated_by_host: the tables are in the host's own migrations: neither upgrade them
        nor look which version they are.
    :param upgrades: create and upgrade the tables at first use, instead of asking for
        ``flask fd-whatsapp upgrade``.
    """

    durable = True

    def __init__(
        self, engine: Engine, *, upgrades: bool = False, migrated_by_host: bool = False
    ) -> None:
        self._database = Database(engine)
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
        return cls(engine, upgrades=engine.dialect.name == "sqlite")

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
        database = self._database
        token = secrets.token_hex(16) if claim else None
        times = database.times(policy.lease_seconds)
        with database.transaction(locks=False) as cursor:
            if database.is_sqlite:
                seen = self._find_settled(cursor, entry)
                if seen is not None:
                    return seen
                database.lock_now(cursor)
            cursor.execute(database.statements.upsert, self._message_values(entry, token) | times)
            key, before, status, reference, campaign, holder = cursor.fetchone()
            is_ours = token is not None and holder == token
            event = entry.event
            is_stale = not (status == event.status and before != event.status)
            event_id = self._insert(
                cursor,
                {
                    "message_key": key,
                    "status": event.status,
                    "timestamp": database.moment(event.timestamp),
                    "receiver": entry.receiver,
                    "payload": entry.body,
                    "headers": json.dumps(dict(entry.headers)),
                    "previous_status": before,
                    "is_stale": is_stale,
                    "attempts": int(is_ours),
                    **times,
                },
            )
            if event_id is None:
                cursor.execute(database.statements.find, _key(event))
                return self._recorded(cursor, cursor.fetchone(), policy, token if is_ours else None)
        return Recorded(
            id=event_id,
            state=State.PENDING,
            claim=self._claim(policy, token, key, event_id, 1) if token and is_ours else None,
            body=entry.body,
            headers=entry.headers,
            previous_status=Status(before) if before else None,
            is_stale=is_stale,
            external_reference_id=reference,
            campaign=campaign,
            superseded=is_ahead(status, of=event.status),
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
        statements = database.statements
        # A look of its own first: to claim by the event would lock event before message, and
        # the others lock message before event.
        with database.transaction(locks=False) as cursor:
            row = self._find(cursor, event_id)
            if row is None:
                return None
            seen = self._recorded(cursor, row, policy, None)
            if (seen.state is State.PENDING) == settled:
                return seen
        token = secrets.token_hex(16)
        with database.transaction() as cursor:
            cursor.execute(
                statements.claim,
                {"message_key": row[1], "token": token, **database.times(policy.lease_seconds)},
            )
            if cursor.rowcount != 1:
                return seen
            row = self._find(cursor, event_id)
            return self._recorded(cursor, row, policy, token, settled=settled) if row else None

    def _find(self, cursor: Any, event_id: int) -> Any:
        cursor.execute(self._database.statements.find_by_id, {"event_id": event_id})
        return cursor.fetchone()

    def _find_settled(self, cursor: Any, entry: Entry) -> Recorded | None:
        """A duplicate of what is done or dead, found without taking SQLite's write lock."""
        cursor.execute(self._database.statements.find, _key(entry.event))
        row = cursor.fetchone()
        if row is None or row[3]:
            return None
        reference, campaign, last_seen = row[10:13]
        a_day_ago = self._database.moment(datetime.now(UTC) - timedelta(days=1))
        if last_seen < a_day_ago:
            return None  # what is heard of is not pruned: note it, once a day
        if (reference is None and entry.event.external_reference_id is not None) or (
            campaign is None and entry.campaign is not None
        ):
            return None  # it brings what the message still lacks
        return self._recorded(cursor, row, Policy(), None)

    def _recorded(
        self,
        cursor: Any,
        row: Any,
        policy: Policy,
        token: str | None,
        *,
        settled: bool = False,
    ) -> Recorded:
        """An event that was there already: count the try if it is ours, or give the claim back."""
        statements = self._database.statements
        event_id, key, attempts, has_due, is_dead, body, headers = row[:7]
        before, is_stale, status, reference, campaign, _, event_status = row[7:]
        state = State.PENDING if has_due else State.DEAD if is_dead else State.DONE
        times = self._database.times(policy.lease_seconds)
        claim, has_died = None, False
        if token is not None:
            parameters = {"event_id": event_id, "message_key": key, "token": token, **times}
            is_pending = state is State.PENDING
            if is_pending == settled:
                cursor.execute(statements.release, parameters)
            elif settled:
                claim = self._claim(policy, token, key, event_id, attempts, state)
            elif attempts < policy.max_attempts:
                cursor.execute(statements.tried, parameters)
                claim = self._claim(policy, token, key, event_id, attempts + 1)
            else:
                cursor.execute(statements.release, parameters)
                cursor.execute(statements.dead, {**parameters, "last_error": None})
                state, has_died = State.DEAD, True
        succeeded: frozenset[str] = frozenset()
        if claim is not None:
            cursor.execute(statements.handlers, {"event_id": event_id})
            succeeded = frozenset(name for (name,) in cursor.fetchall())
        return Recorded(
            id=event_id,
            state=state,
            claim=claim,
            body=body,
            headers=json.loads(headers),
            previous_status=Status(before) if before else None,
            is_stale=bool(is_stale),
            external_reference_id=reference,
            campaign=campaign,
            succeeded=succeeded,
            superseded=is_ahead(status, of=event_status),
            has_died=has_died,
        )

    def _insert(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        """Insert an event and give its id, ``None`` if it is there already."""
        if self._database.is_mariadb:
            # No ON CONFLICT there; InnoDB undoes only the statement that failed.
            with suppress(self._database.integrity_error):
                cursor.execute(self._database.statements.insert_event, values)
                return int(cursor.fetchone()[0])
            return None
        cursor.execute(self._database.statements.insert_event, values)
        row = cursor.fetchone()
        return int(row[0]) if row else None

    def _message_values(self, entry: Entry, token: str | None) -> dict[str, Any]:
        event = entry.event
        rank = rank_of(event.status)
        values: dict[str, Any] = {
            **_NO_TIMES,
            "account_id": event.account_id,
            "message_id": event.message_id,
            "reference": event.external_reference_id,
            "campaign": storable(entry.campaign),
            "known_status": None if rank is None else str(event.status),
            "rank": rank,
            "error_code": None,
            "error_message": None,
            "token": token,
        }
        if rank is not None:
            values[_TIME_COLUMNS[Status(event.status)]] = self._database.moment(event.timestamp)
        if event.status == Status.FAILED and event.error is not None:
            values["error_code"] = storable(event.error.code)
            values["error_message"] = storable(event.error.message)
        return values

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


def _key(event: StatusEvent) -> dict[str, Any]:
    return {
        "account_id": event.account_id,
        "message_id": event.message_id,
        "status": str(event.status),
    }
