"""An event in the in-memory ledger, and the outcome of its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ...events import WEBHOOK, Status
from ..listing import Handling, unsettled_by
from ..records import Policy, Tried
from ..references import storable
from ..retry_policy import Before, after_try, is_done
from ..views import State


@lru_cache(maxsize=1024)
def _with(names: frozenset[str], name: str) -> frozenset[str]:
    """Return *names* and *name*, as one set for all events: most have the same handlers."""
    return names | {name}


@dataclass(slots=True, kw_only=True)
class MemoryEvent:
    """An event as recorded."""

    id: int
    status: str
    timestamp: datetime
    received_at: datetime
    receiver: str
    body: str
    headers: Mapping[str, str]
    previous_status: Status | None
    is_stale: bool
    due_at: datetime | None
    state: State = State.PENDING
    attempts: int = 0
    last_error: str | None = None
    postponed: int = 0
    revived_at: datetime | None = None
    is_acknowledged: bool = False
    succeeded: frozenset[str] = frozenset()
    reserved_until: float = 0
    source: str = WEBHOOK
    is_estimated: bool = False
    gave_up: frozenset[str] = frozenset()
    errors: tuple[Handling, ...] = ()

    def begin_try(self, now: datetime) -> datetime | None:
        """Count the attempt if the event is due; if not, return when it is due."""
        due_at = self.due_at
        if due_at is None or due_at <= now:
            self.attempts += 1
            return None
        self.due_at = now  # if the process dies, the next attempt counts
        return due_at

    def revive(self) -> None:
        """Start over, also for the handlers that gave up."""
        self.due_at = self.revived_at = datetime.now(UTC)
        self.state, self.attempts, self.postponed = State.PENDING, 0, 0
        self.reserved_until = 0
        self.gave_up = frozenset()

    def succeed(self, handler: str) -> None:
        """Note that a handler has succeeded."""
        self.succeeded = _with(self.succeeded, handler)

    def settle(self, tried: Tried, policy: Policy, *, due_at: datetime | None) -> None:
        """Apply the outcome of an attempt.

        :param due_at: what :meth:`begin_try` returned.
        """
        if tried.superseded:
            self.succeeded |= set(tried.superseded)
        if tried.succeeded:
            self.succeed(tried.succeeded)
        if self.state is not State.PENDING:
            return
        if is_done(tried, has_given_up=bool(self.gave_up)):
            self.end(State.DONE)
            return
        now = datetime.now(UTC)
        before = Before(
            attempts=self.attempts,
            counts=due_at is None,
            postponed=self.postponed,
            age_seconds=(now - (self.revived_at or self.received_at)).total_seconds(),
            has_given_up=bool(self.gave_up),
        )
        after = after_try(tried, before, policy)
        self._keep_errors(tried, now)
        self.gave_up |= tried.gave_up.keys()
        self.attempts, self.postponed = after.attempts, after.postponed
        self.reserved_until = 0
        self.last_error = after.last_error or self.last_error
        if after.state is not State.PENDING:
            self.end(after.state)
        elif after.delay_seconds is not None:
            self.due_at = now + timedelta(seconds=after.delay_seconds)
        else:
            self.due_at = due_at

    def _keep_errors(self, tried: Tried, now: datetime) -> None:
        errors = {one.handler: one for one in self.errors}
        for handler, outcome, counts, said in unsettled_by(tried):
            before = errors.pop(handler, None)
            errors[handler] = Handling(
                handler=handler,
                state=outcome,
                attempts=counts + (before.attempts if before else 0),
                last_error=storable(said),
                last_error_at=now,
            )
        self.errors = tuple(errors.values())

    def end(self, state: State) -> None:
        """Settle it in this state."""
        self.state, self.due_at, self.is_acknowledged = state, None, False
