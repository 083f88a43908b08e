"""The claim of the SQL ledger: every write is fenced by its token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...exceptions import ClaimLost
from ..backoff import backoff
from ..base import Policy, Tried
from ..references import storable
from ..views import State
from .database import Database
from .handler_transaction import HandlerTransaction
from .rows import Handled

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
        self.transaction = HandlerTransaction(database)

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

    def undo(self) -> bool:
        """Roll the handler's transaction back, if it opened one."""
        transaction = self._next_transaction()
        transaction.roll_back()
        return transaction.had_conflict

    def _next_transaction(self) -> HandlerTransaction:
        """The transaction of the handler that has ended; the next handler gets a new one."""
        ended, self.transaction = self.transaction, HandlerTransaction(self._database)
        return ended

    def _write(self, write: Callable[[Any, bool], T], *, is_step: bool = True) -> T:
        """Write in the handler's transaction and commit it, or in one of its own.

        :param write: gets a cursor, and whether what it writes has to outlive a power cut.
        :param is_step: it calls one step of the database's.
        """
        if self.transaction.end():
            result = self.transaction.commit(lambda cursor: write(cursor, True))
        else:
            result = self._database.retried(lambda: self._write_alone(write, is_step=is_step))
        self._next_transaction()
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
