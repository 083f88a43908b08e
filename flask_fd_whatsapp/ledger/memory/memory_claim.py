"""The claim of the ledger in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from ...exceptions import ClaimLost
from ..records import Policy, Tried
from ..views import State
from .memory_store import MemoryEvent, MemoryMessage


class HoldsMessages(Protocol):
    """The ledger, as far as a claim needs it."""

    clock: Callable[[], float]

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while anything is changed; a thread may hold it more than once."""
        ...

    def let_go(self, message: MemoryMessage) -> None:
        """Nobody is handling *message* any more."""
        ...


class MemoryClaim:
    """One thread's right to a message."""

    transaction = None

    def __init__(
        self,
        ledger: HoldsMessages,
        message: MemoryMessage,
        event: MemoryEvent,
        policy: Policy,
        due_at: datetime | None,
    ) -> None:
        self._ledger = ledger
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
        with self._ledger.lock:
            self._check()
            self._event.succeeded |= {handler}
            self._event.gave_up -= {handler}
            self._renew()

    def renew(self) -> None:
        """Renew the lease."""
        with self._ledger.lock:
            self._check()
            self._renew()

    def undo(self) -> bool:
        """Nothing to roll back: there is no transaction."""
        return False

    def abandon(self, tried: Tried) -> State | None:
        """Record, in another thread than the handler's, that the handler hangs."""
        with self._ledger.lock:
            if self._is_finished or self._event.succeeded & tried.failed.keys():
                return None
            state = self.finish(tried)
            self._is_abandoned = True
            return state

    def finish(self, tried: Tried) -> State:
        """Record what the try brought, and let the message go."""
        with self._ledger.lock:
            self._check()
            self._event.settle(tried, self._policy, due_at=self._due_at)
            self._ledger.let_go(self._message)
            self._is_finished = True
            return self._event.state

    def _check(self) -> None:
        if self._is_abandoned:
            raise ClaimLost.of_hanging_handler()
        if self._message.token is not self._token:
            raise ClaimLost.after(self._policy.lease_seconds)

    def _renew(self) -> None:
        self._message.lease_until = self._ledger.clock() + self._policy.lease_seconds
