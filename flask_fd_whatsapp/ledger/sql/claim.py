"""The claim of the SQL ledger: every write is fenced by its token."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy import event as events
from sqlalchemy.exc import DBAPIError

from ...exceptions import ClaimLost, TransactionFailed
from ..backoff import backoff
from ..base import Policy, Tried
from ..views import State
from .database import Database, storable


class SQLClaim:
    """One process's right to a message, and the transaction of the handler it is calling."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        *,
        token: str,
        message_key: int,
        event_id: int,
        attempts: int,
        state: State,
    ) -> None:
        self._database = database
        self._policy = policy
        self._key = {"token": token, "message_key": message_key, "event_id": event_id}
        self._attempts = attempts
        self._state = state
        self._connection: Connection | None = None
        self._was_ended_by_hand = False

    @property
    def transaction(self) -> Connection:
        """An SQLAlchemy connection, opened when first asked for, that the ledger commits."""
        if self._connection is None:
            connection = self._database.engine.connect()
            try:
                self._was_ended_by_hand = False
                connection.begin()
                self._database.lock(connection)
                for name in ("commit", "rollback"):
                    events.listen(connection, name, self._refuse_by_hand)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def succeeded(self, handler: str) -> None:
        """Record a success, in the handler's own transaction if it opened one."""
        self._write(lambda cursor: self._record(cursor, [handler], renew=True))

    def finish(self, tried: Tried) -> State:
        """Record what the try brought, and let the message go."""
        return State(self._write(lambda cursor: self._settle(cursor, tried)))

    def undo(self) -> None:
        """Roll the handler's transaction back, if it opened one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._discard(connection)

    def _discard(self, connection: Connection) -> None:
        """Roll back at the driver: SQLAlchemy does not, after a commit that failed or was refused,
        and would hand the open transaction to the next who takes the connection."""
        self._allow(connection)
        if connection.closed:
            return
        try:
            connection.connection.rollback()
        except self._database.driver_error:
            connection.invalidate()
        connection.close()

    def _refuse_by_hand(self, connection: Connection) -> None:
        self._was_ended_by_hand = True
        raise TransactionFailed(_BY_HAND)

    def _allow(self, connection: Connection) -> None:
        for name in ("commit", "rollback"):
            if events.contains(connection, name, self._refuse_by_hand):
                events.remove(connection, name, self._refuse_by_hand)

    def _write(self, write: Any) -> Any:
        connection = self._connection
        if connection is None:
            return self._database.retried(lambda: self._write_alone(write))
        self._connection = None
        try:
            if self._was_ended_by_hand or not connection.in_transaction():
                raise TransactionFailed(_BY_HAND)
            self._allow(connection)
            result = write(connection.connection.cursor())
            connection.commit()
        except (DBAPIError, self._database.driver_error) as error:
            self._discard(connection)
            raise TransactionFailed(
                "What the handler wrote through current_ledger.transaction could not be committed."
            ) from error
        except BaseException:
            self._discard(connection)
            raise
        connection.close()
        return result

    def _write_alone(self, write: Any) -> Any:
        with self._database.transaction() as cursor:
            return write(cursor)

    def _record(self, cursor: Any, handlers: list[str], *, renew: bool) -> None:
        statements, times = self._database.statements, self._times()
        cursor.execute(statements.renew if renew else statements.release, {**self._key, **times})
        if cursor.rowcount != 1:
            raise ClaimLost(
                f"A message was taken by another, since the try took longer than its lease of "
                f"{self._policy.lease_seconds:g} seconds."
            )
        for handler in handlers:
            cursor.execute(
                statements.handled,
                {**self._key, **times, "handler": handler, "is_superseded": False},
            )

    def _settle(self, cursor: Any, tried: Tried) -> State:
        statements = self._database.statements
        self._record(cursor, [tried.succeeded] if tried.succeeded else [], renew=False)
        for handler in tried.superseded:
            cursor.execute(
                statements.handled,
                {**self._key, **self._times(), "handler": handler, "is_superseded": True},
            )
        if self._state is not State.PENDING:
            return self._state  # a replay, which changes nothing of the event
        errors = "; ".join(f"{name}: {text}" for name, text in tried.failed.items())
        error = storable(errors) or None
        if tried.failed and self._attempts >= self._policy.max_attempts:
            cursor.execute(statements.dead, {**self._key, **self._times(), "last_error": error})
            return State.DEAD
        if tried.failed or tried.retry_after is not None:
            attempts, delay = self._attempts, tried.retry_after
            if tried.failed:
                delay = backoff(attempts)
            else:
                attempts -= 1  # asking to be called later is no failed attempt
            cursor.execute(
                statements.again,
                {
                    **self._key,
                    **self._times(delay or 0),
                    "attempts": attempts,
                    "last_error": error,
                },
            )
            return State.PENDING
        cursor.execute(statements.done, self._key)
        return State.DONE

    def _times(self, delay: float = 0) -> Any:
        return self._database.times(self._policy.lease_seconds, delay)


_BY_HAND = (
    "Leave committing, rolling back and closing current_ledger.transaction to the ledger, which "
    "does it together with the record of the handler's success; raise to roll back."
)
