"""The in-memory ledger's claim."""

from __future__ import annotations

from datetime import datetime

from ...exceptions import ClaimLost
from ..records import Policy, Tried
from ..views import State
from .memory_event import MemoryEvent
from .memory_message import MemoryMessage
from .memory_store import MemoryStore


class MemoryClaim:
    """One thread's claim on a message."""

    transaction = None

    def __init__(
        self,
        store: MemoryStore,
        message: MemoryMessage,
        event: MemoryEvent,
        policy: Policy,
        due_at: datetime | None,
    ) -> None:
        self._store = store
        self._message = message
        self._event = event
        self._policy = policy
        self._due_at = due_at
        self._token = message.token = object()
        self._is_finished = False
        self._is_abandoned = False
        self._renew()

    def succeeded(self, handler: str) -> None:
        """Record a success, and renew the lease."""
        with self._store.lock:
            self._check()
            self._event.succeed(handler)
            self._event.gave_up -= {handler}
            self._renew()

    def renew(self) -> None:
        """Renew the lease."""
        with self._store.lock:
            self._check()
            self._renew()

    def undo(self) -> bool:
        """Nothing to roll back: there is no transaction."""
        return False

    def abandon(self, tried: Tried) -> State | None:
        """Record, from a thread other than the handler's, that the handler hangs."""
        with self._store.lock:
            if self._is_finished or self._event.succeeded & tried.failed.keys():
                return None
            state = self.finish(tried)
            self._is_abandoned = True
            return state

    def finish(self, tried: Tried) -> State:
        """Record the outcome of the attempt, and release the message."""
        with self._store.lock:
            self._check()
            self._event.settle(tried, self._policy, due_at=self._due_at)
            self._store.let_go(self._message)
            self._is_finished = True
            return self._event.state

    def _check(self) -> None:
        if self._is_abandoned:
            raise ClaimLost.of_hanging_handler()
        if self._message.token is not self._token:
            raise ClaimLost.after(self._policy.lease_seconds)

    def _renew(self) -> None:
        self._message.lease_until = self._store.clock() + self._policy.lease_seconds
