"""The claim of the SQL ledger: every write is fenced by its token."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from threading import Lock
from typing import Any, Final, TypeVar

from ...exceptions import ClaimLost
from ..listing import unsettled_by
from ..records import Policy, Tried
from ..references import storable
from ..retry_policy import Before, after_try, is_done
from ..views import State
from .dialects.base import Database
from .handler_transaction import HandlerTransaction
from .rows import Handled

T = TypeVar("T")

LEAST_ANSWER_SECONDS: Final = 1.0
"""How long, at least, a renewal waits for the server's answer, however short the lease."""


class SQLClaim:
    """One process's claim on a message, and the transaction of the handler it is calling.

    :param attempts: at the event, this one included if it counts.
    :param due_at: when the event is due, if it was not yet, so that this attempt does not count.
    :param gave_up: the handlers that gave up before.
    """

    def __init__(
        self,
        database: Database,
        policy: Policy,
        *,
        token: str,
        message_key: int,
        event_id: int,
        attempts: int,
        state: State = State.PENDING,
        due_at: Any = None,
        gave_up: Collection[str] = (),
    ) -> None:
        self._database = database
        self._policy = policy
        self._key = {"token": token, "message_key": message_key, "event_id": event_id}
        self._attempts = attempts
        self._state = state
        self._due_at = due_at
        self._gave_up = gave_up
        self.transaction = HandlerTransaction(database, policy.handler_seconds)
        # Held to record something, or to decide that the handler's thread no longer may.
        self._recording = Lock()
        self._succeeded: str | None = None
        self._is_finished = False
        self._is_abandoned = False

    def succeeded(self, handler: str) -> None:
        """Record a success, in the handler's own transaction if it opened one."""
        handled, lease = [Handled(handler, False)], self._policy.lease_seconds
        is_again = handler in self._gave_up

        def write(cursor: Any, is_durable: bool) -> None:
            values = self._values(lease=lease, is_durable=is_durable)
            if is_again:
                self._database.statements.take_up_again.execute(
                    cursor, {**values, "handler": handler}
                )
            self._require(self._database.succeed(cursor, values, handled))

        with self._recording:
            self._write(write, is_step=not is_again)
            self._next_transaction()
            self._succeeded = handler

    def finish(self, tried: Tried) -> State:
        """Record the outcome of the attempt, and release the message."""
        handled = [Handled(tried.succeeded, False)] if tried.succeeded else []
        handled += [Handled(handler, True) for handler in tried.superseded]

        def let_go(cursor: Any, is_durable: bool) -> State:
            return self._let_go(cursor, tried, handled)

        def complete(cursor: Any, is_durable: bool) -> State:
            values = self._values(is_durable=is_durable)
            self._require(self._database.complete(cursor, values, handled))
            return State.DONE

        with self._recording:
            if self._state is State.PENDING and is_done(tried, has_given_up=bool(self._gave_up)):
                state = self._write(complete)
            else:
                state = self._write(let_go, is_step=False)
            self._is_finished = True
        return state

    def abandon(self, tried: Tried) -> State | None:
        """Record, from a thread other than the handler's, that the handler hangs.

        The handler keeps its transaction, which has ended: a new one would let it continue.
        """
        with self._recording:
            if self._is_finished or self._succeeded in tried.failed:
                return None
            self._is_abandoned = True
            transaction = self.transaction
        transaction.roll_back()

        def let_go(cursor: Any, is_durable: bool) -> State:
            return self._let_go(cursor, tried, [])

        return self._database.retried(partial(self._write_alone, let_go, is_step=False))

    def renew(self) -> None:
        """Renew the lease, from a thread other than the handler's."""
        if self._database.has_one_writer and self.transaction.is_open:
            return  # its lock keeps others out, and would block this write too
        lease = self._policy.lease_seconds
        seconds = max(lease / 4, LEAST_ANSWER_SECONDS)  # time for another attempt
        self._require(
            self._database.renew_claim(lambda: self._values(lease=lease), seconds=seconds)
        )

    def undo(self) -> bool:
        """Roll the handler's transaction back, if it opened one."""
        transaction = self._next_transaction()
        transaction.roll_back()
        return transaction.had_conflict

    def _next_transaction(self) -> HandlerTransaction:
        """The transaction of the handler that ended; the next handler gets a new one."""
        ended = self.transaction
        self.transaction = HandlerTransaction(self._database, self._policy.handler_seconds)
        return ended

    def _write(self, write: Callable[..., T], *, is_step: bool = True) -> T:
        """Write in the handler's transaction and commit it, or in a separate one.

        :param write: called with a cursor, and whether its writes have to survive a power cut.
        :param is_step: it calls a single step of :class:`Database`.
        """
        if self._is_abandoned:
            raise ClaimLost.of_hanging_handler()
        if self.transaction.end():
            result = self.transaction.commit(partial(write, is_durable=True))
        else:
            result = self._database.retried(partial(self._write_alone, write, is_step=is_step))
        return result

    def _write_alone(self, write: Callable[..., T], *, is_step: bool) -> T:
        if not is_step:
            with self._database.transaction() as cursor:
                return write(cursor, is_durable=True)
        # After a power cut or a crash of the database server, a handler outside the transaction
        # may be called again.
        return self._database.step(partial(write, is_durable=False), is_durable=False)

    def _values(
        self, *, lease: float | None = None, delay: float = 0, is_durable: bool = True
    ) -> Any:
        times = self._database.times(lease=lease, delay=delay)
        return {**self._key, **times, "is_durable": is_durable}

    def _let_go(self, cursor: Any, tried: Tried, handled: list[Handled]) -> State:
        """End an attempt after which the event is not done, or was settled before."""
        statements = self._database.statements
        self._require(self._database.release(cursor, self._values(), handled))
        if self._state is not State.PENDING:
            return self._state  # a replay, which does not change the event
        statements.standing.execute(cursor, self._values())
        postponed, age = cursor.fetchone()
        before = Before(
            attempts=self._attempts,
            counts=self._due_at is None,
            postponed=postponed,
            age_seconds=float(age),
            has_given_up=bool(self._gave_up),
        )
        after = after_try(tried, before, self._policy)
        for handler in tried.gave_up:
            statements.gave_up.execute(cursor, {**self._values(), "handler": handler})
        for each in unsettled_by(tried):
            said = {**self._values(), **each._asdict(), "said": storable(each.said)}
            statements.failed_again.execute(cursor, said)
            if cursor.rowcount != 1:  # no race to insert it: the message's row is locked
                statements.failed_first.execute(cursor, said)
        delay = after.delay_seconds
        values = {
            **self._values(delay=delay or 0),
            "due_at": self._due_at if delay is None else None,
            "attempts": after.attempts,
            "postponed": after.postponed,
            "last_error": storable(after.last_error),
        }
        statements.unfinished.execute(cursor, values)
        if after.state is State.DEAD:
            statements.dead.execute(cursor, values)
        return after.state

    def _require(self, is_held: bool) -> None:
        if not is_held:
            raise ClaimLost.after(self._policy.lease_seconds)
