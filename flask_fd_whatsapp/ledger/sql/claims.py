"""Records events, and claims those already recorded."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from ...events import WEBHOOK, Status, is_ahead
from ..records import Entry, Policy, Recorded
from ..retry_policy import may_be_tried
from ..views import State
from .corrections import correct, mark_told
from .fenced_claim import SQLClaim
from .prepared import PreparedDatabase
from .rows import Found, Inserted, found_by, values_of

FIRST_WAIT_SECONDS: Final = 0.01
MAX_WAIT_SECONDS: Final = 0.1


class SQLRecording:
    """Records events and claims their messages, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        """Insert the event unless it was seen, raise its message's status and claim the message."""
        # One token for all attempts: the first may have claimed the message already.
        token = secrets.token_hex(16) if claim else None
        return self._prepared.database.retried(partial(self._record, entry, policy, token))

    def _record(self, entry: Entry, policy: Policy, token: str | None) -> Recorded:
        database, event = self._prepared.unprepared, entry.event
        values = {**values_of(entry, database.moment), "token": token}

        def insert(cursor: Any) -> Inserted | Found:
            # The clock is read when the turn to write comes.
            parameters = {**values, **database.times(lease=policy.lease_seconds)}
            if database.is_seen(cursor, parameters):
                found = cast(Found, found_by(cursor, database.statements.find, parameters))
                if self._says_nothing_new(entry, found):
                    return found  # nothing is written, so there is no disk to wait for
            return database.insert(cursor, parameters)

        if event.source == WEBHOOK:
            inserted = database.step(insert)
        else:
            with database.transaction() as cursor:
                inserted = insert(cursor)
                if isinstance(inserted, Inserted):
                    mark_told(cursor, database.statements, event, inserted)
        if isinstance(inserted, Found):
            return inserted.recorded()
        if token != inserted.holder:
            token = None
        if inserted.event_id is None:
            parameters = {**values, **database.times(lease=policy.lease_seconds)}
            with database.transaction() as cursor:
                found = found_by(cursor, database.statements.find, parameters)
                if event.source == WEBHOOK and found is not None and found.source is not None:
                    correct(cursor, database.statements, event, found, parameters)
                    found = found_by(cursor, database.statements.find, parameters)
                # An event just received keeps its message from being pruned.
                if found is not None:
                    return self._take_up(cursor, found, policy, token)
            return self._record(entry, policy, token)  # it was erased in between, and is new again
        return Recorded(
            id=inserted.event_id,
            state=State.PENDING,
            claim=SQLClaim(
                database,
                policy,
                token=token,
                message_key=inserted.key,
                event_id=inserted.event_id,
                attempts=1,
            )
            if token
            else None,
            body=entry.body,
            headers=entry.headers,
            previous_status=Status(inserted.previous_status) if inserted.previous_status else None,
            is_stale=inserted.is_stale(event.status),
            external_reference_id=inserted.reference,
            campaign=inserted.campaign,
            superseded=is_ahead(inserted.status, of=event.status),
            source=event.source,
        )

    def _says_nothing_new(self, entry: Entry, found: Found) -> bool:
        """Whether it duplicates a done or dead event, so that nothing need be written."""
        if found.state is State.PENDING:
            return False
        if found.last_seen < self._prepared.unprepared.moment(
            datetime.now(UTC) - timedelta(days=1)
        ):
            return False  # written once a day, to keep the message from being pruned
        event = entry.event  # which may carry what the message still lacks
        if found.source is not None and event.source == WEBHOOK:
            return False
        if event.status == Status.FAILED and found.lacks(event.error):
            return False
        return (found.reference is not None or event.external_reference_id is None) and (
            found.campaign is not None or entry.campaign is None
        )

    def claim(
        self, event_id: int, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        """Claim the message of a recorded event, retrying for *wait* seconds."""
        deadline = time.monotonic() + wait
        pause = FIRST_WAIT_SECONDS
        # One token for all attempts: one that failed may have claimed the message already.
        token = secrets.token_hex(16)
        if not wait:
            self._prepared.database.stand_by()
        while True:
            recorded = self._prepared.database.retried(
                partial(self._try_to_claim, event_id, policy, token, wait, settled=settled)
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

    def _try_to_claim(
        self, event_id: int, policy: Policy, token: str, wait: float, *, settled: bool
    ) -> Recorded | None:
        database = self._prepared.database
        # A request must not wait for a writer: it may be the handler that holds the message.
        if not settled and not (wait and database.has_one_writer):
            recorded = self._claim_pending(event_id, policy, token)
            if recorded is not None:
                return recorded
        statement = database.statements.find_by_id
        parameters = {"event_id": event_id, **database.times(lease=policy.lease_seconds)}
        # A separate query first: claiming by the event would lock event before message, and
        # everything else locks message before event.
        with database.reading() as cursor:
            found = found_by(cursor, statement, parameters)
        if found is None:
            return None
        if found.is_held or (found.state is State.PENDING) == settled:
            return found.recorded()
        with database.claiming() as cursor:
            database.statements.claim.execute(
                cursor,
                {
                    "message_key": found.message_key,
                    "status": found.status,
                    "token": token,
                    **database.times(lease=policy.lease_seconds),
                },
            )
            if cursor.rowcount != 1:
                return found.recorded()
            found = found_by(cursor, statement, parameters)
            if found is None:
                return None
            return self._take_up(cursor, found, policy, token, settled=settled)

    def _claim_pending(self, event_id: int, policy: Policy, token: str) -> Recorded | None:
        """Claim a pending event in few round trips, if the database can."""
        database = self._prepared.unprepared
        found = database.claim_pending(
            {
                "event_id": event_id,
                "token": token,
                "max_attempts": policy.max_attempts,
                **database.times(lease=policy.lease_seconds),
            }
        )
        return found and self._claimed(found, policy, token)

    def _take_up(
        self,
        cursor: Any,
        found: Found,
        policy: Policy,
        token: str | None,
        *,
        settled: bool = False,
    ) -> Recorded:
        """Count the attempt at a recorded event if it can be made, or release the claim."""
        if token is None:
            return found.recorded()
        database, statements = self._prepared.database, self._prepared.database.statements
        parameters = {
            "event_id": found.event_id,
            "message_key": found.message_key,
            "token": token,
            **database.times(lease=policy.lease_seconds),
        }
        state = found.state
        if (state is State.PENDING) == settled:
            database.release(cursor, parameters, ())
            return found.recorded()
        if not settled:
            if not may_be_tried(found.attempts, policy):
                if not database.release(cursor, parameters, ()):
                    return found.recorded()
                statements.dead.execute(cursor, parameters)
                return found.recorded()._replace(state=State.DEAD, has_died=True)
            tried = statements.tried if found.is_due else statements.tried_early
            tried.execute(cursor, parameters)
        statements.handlers.execute(cursor, parameters)
        return self._claimed(found.settled_by(cursor.fetchall()), policy, token)

    def _claimed(self, found: Found, policy: Policy, token: str) -> Recorded:
        """A recorded event, under our claim."""
        is_pending = found.state is State.PENDING
        attempts = found.attempts + bool(is_pending and found.is_due)
        claim = SQLClaim(
            self._prepared.unprepared,
            policy,
            token=token,
            message_key=found.message_key,
            event_id=found.event_id,
            attempts=attempts,
            state=found.state,
            due_at=found.due_at if is_pending and not found.is_due else None,
            gave_up=found.gave_up,
        )
        called = found.handlers if is_pending else found.handlers - found.gave_up
        return found.recorded(claim=claim, succeeded=called, attempt=attempts)
