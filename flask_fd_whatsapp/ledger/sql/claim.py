"""The claim of the SQL ledger: every write is fenced by its token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy import event as events
from sqlalchemy.exc import DBAPIError

from ...exceptions import ClaimLost, TransactionFailed
from ..backoff import backoff
from ..base import Policy, Tried
from ..views import State
from .database import Database
from .rows import Handled, storable

T = TypeVar("T")


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
        handled, lease = [Handled(handler, False)], self._policy.lease_seconds

        def write(cursor: Any, is_durable: bool) -> None:
            values = self._values(lease=lease, is_durable=is_durable)
            self._require(self._database.succeed(cursor, values, handled))

        self._write(write)

    def finish(self, tried: Tried) -> State:
        """Record what the try brought, and let the message go."""
        handled = [Handled(tried.succeeded, False)] if tried.succeeded else []
        handled += [Handled(handler, True) for handler in tried.superseded]

        def let_go(cursor: Any, is_durable: bool) -> State:
            return self._let_go(cursor, tried, handled)

        def complete(cursor: Any, is_durable: bool) -> State:
            values = self._values(is_durable=is_durable)
            self._require(self._database.complete(cursor, values, handled))
            return State.DONE

        if tried.failed or tried.retry_after is not None or self._state is not State.PENDING:
            return self._write(let_go, is_step=False)
        return self._write(complete)

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

    def _write(self, write: Callable[[Any, bool], T], *, is_step: bool = True) -> T:
        """Write in the handler's transaction and commit it, or in one of its own.

        :param write: gets a cursor, and whether what it writes has to outlive a power cut.
        :param is_step: it calls one step of the database's.
        """
        connection = self._connection
        if connection is None:
            return self._database.retried(lambda: self._write_alone(write, is_step=is_step))
        self._connection = None
        try:
            if self._was_ended_by_hand or not connection.in_transaction():
                raise TransactionFailed(_BY_HAND)
            self._allow(connection)
            result = write(connection.connection.cursor(), True)
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

    def _write_alone(self, write: Callable[[Any, bool], T], *, is_step: bool) -> T:
        if not is_step:
            with self._database.transaction() as cursor:
                return write(cursor, True)
        # After a power cut, or a crash of the database's server, a handler that is not in the
        # transaction may be called again.
        return self._database.step(lambda cursor: write(cursor, False), is_durable=False)

    def _values(self, *, lease: float = 0, delay: float = 0, is_durable: bool = True) -> Any:
        times = self._database.times(lease=lease, delay=delay)
        return {**self._key, **times, "is_durable": is_durable}

    def _let_go(self, cursor: Any, tried: Tried, handled: list[Handled]) -> State:
        """End a try after which the event is not done, or was settled before."""
        statements = self._database.statements
        self._require(self._database.release(cursor, self._values(), handled))
        if self._state is not State.PENDING:
            return self._state  # a replay, which changes nothing of the event
        errors = "; ".join(f"{name}: {text}" for name, text in tried.failed.items())
        error = storable(errors) or None
        if tried.failed and self._attempts >= self._policy.max_attempts:
            cursor.execute(statements.dead, {**self._values(), "last_error": error})
            return State.DEAD
        attempts, delay = self._attempts, tried.retry_after
        if tried.failed:
            delay = backoff(attempts)
        else:
            attempts -= 1  # asking to be called later is no failed attempt
        cursor.execute(
            statements.again,
            {**self._values(delay=delay or 0), "attempts": attempts, "last_error": error},
        )
        return State.PENDING

    def _require(self, is_held: bool) -> None:
        if not is_held:
            raise ClaimLost(
                f"A message was taken by another, since the try took longer than its lease of "
                f"{self._policy.lease_seconds:g} seconds."
            )


_BY_HAND = (
    "Leave committing, rolling back and closing current_ledger.transaction to the ledger, which "
    "does it together with the record of the handler's success; raise to roll back."
)
