"""Dead events, in memory: revived or acknowledged."""

from __future__ import annotations

from ..views import State
from .memory_store import MemoryStore


class MemoryDeadEvents:
    """Revives or acknowledges dead events, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def revive(self, event_id: int) -> bool:
        """Make a dead event pending and due, with its attempts reset; whether it was dead."""
        with self._store.lock:
            message, event = self._store.events.get(event_id, (None, None))
            if message is None or event is None or event.state is not State.DEAD:
                return False
            self._store.finished.pop(message, None)
            event.revive()
            return True

    def acknowledge(self, *, receiver: str | None = None, event_id: int | None = None) -> int:
        """Acknowledge dead events, so that they raise no further alert."""
        with self._store.lock:
            new = [
                event
                for _, event in self._store.events.values()
                if event.state is State.DEAD
                and not event.is_acknowledged
                and receiver in (None, event.receiver)
                and event_id in (None, event.id)
            ]
            for event in new:
                event.is_acknowledged = True
            return len(new)
