"""Due events, their reservations, and replays, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ..views import State
from .memory_store import MemoryStore


class MemoryReservations:
    """Hands out due events, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def due(self, *, receiver: str | None = None, limit: int) -> Sequence[int]:
        """Ids of due events that nobody has claimed or reserved, longest due first."""
        now = datetime.now(UTC)
        with self._store.lock:
            due = [
                (event.due_at, event.id)
                for message, event in self._store.events.values()
                if event.due_at is not None
                and event.due_at <= now
                and receiver in (None, event.receiver)
                and event.reserved_until <= self._store.clock()
                and not self._store.is_held(message)
            ]
        return [event_id for _, event_id in sorted(due)[:limit]]

    def reserve(self, *, receiver: str, limit: int, seconds: float) -> Sequence[int]:
        """Reserve due events: for *seconds* no other sweep gets them."""
        with self._store.lock:
            ids = self.due(receiver=receiver, limit=limit)
            for event_id in ids:
                self._store.events[event_id][1].reserved_until = self._store.clock() + seconds
        return ids

    def extend(self, event_ids: Collection[int], *, seconds: float) -> None:
        """Reserve for *seconds* from now what is still reserved."""
        with self._store.lock:
            for event_id in event_ids:
                _, event = self._store.events.get(event_id, (None, None))
                if event is not None and event.reserved_until:
                    event.reserved_until = self._store.clock() + seconds

    def reserved(self) -> Mapping[str, int]:
        """How many due events are currently reserved, by receiver."""
        with self._store.lock:
            return Counter(
                event.receiver
                for _, event in self._store.events.values()
                if event.state is State.PENDING and event.reserved_until > self._store.clock()
            )

    def unreserve(self, event_ids: Collection[int]) -> None:
        """Release reserved events that were not attempted."""
        with self._store.lock:
            for event_id in event_ids:
                if event_id in self._store.events:
                    self._store.events[event_id][1].reserved_until = 0


class MemoryReplays:
    """Prevents concurrent replays of the same handler, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._replays: dict[tuple[str, str], tuple[str, float]] = {}

    def hold(self, *, receiver: str, handler: str, token: str, seconds: float) -> datetime | None:
        """Begin or continue a replay; return ``None``, or until when another process holds it."""
        now = self._store.clock()
        with self._store.lock:
            holder, end = self._replays.get((receiver, handler), (token, 0.0))
            if holder != token and end > now:
                return datetime.now(UTC) + timedelta(seconds=end - now)
            self._replays[receiver, handler] = token, now + seconds
            return None

    def end(self, *, receiver: str, handler: str, token: str) -> None:
        """End a replay; does nothing if another process has taken it over."""
        with self._store.lock:
            if self._replays.get((receiver, handler), ("", 0.0))[0] == token:
                del self._replays[receiver, handler]
