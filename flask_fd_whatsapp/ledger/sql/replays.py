"""Replays of past events to a handler: one process at a time, under a lease."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from .prepared import PreparedDatabase
from .tables import replay


class SQLReplays:
    """Prevents concurrent replays of the same handler, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def hold(self, *, receiver: str, handler: str, token: str, seconds: float) -> datetime | None:
        """Begin or continue a replay; return ``None``, or until when another process holds it."""
        return self._prepared.database.retried(
            lambda: self._hold(receiver, handler, token, seconds)
        )

    def _hold(self, receiver: str, handler: str, token: str, seconds: float) -> datetime | None:
        key = {"receiver": receiver, "handler": handler}
        now, end = self._prepared.database.now(), self._prepared.database.now(after=seconds)
        is_it = (replay.c.receiver == receiver) & (replay.c.handler == handler)
        is_free = (replay.c.token == token) | (replay.c.held_until <= now)
        mine = {"token": token, "held_until": end}
        with self._prepared.database.writing() as connection:
            held = connection.execute(update(replay).where(is_it, is_free).values(mine))
            if held.rowcount == 0:
                connection.execute(self._prepared.database.upsert(replay, key, mine, key))
            holder, until = connection.execute(
                select(replay.c.token, replay.c.held_until).where(is_it)
            ).one()
            return None if holder == token else until

    def end(self, *, receiver: str, handler: str, token: str) -> None:
        """End a replay; does nothing if another process has taken it over."""
        is_mine = (
            (replay.c.receiver == receiver)
            & (replay.c.handler == handler)
            & (replay.c.token == token)
        )
        with self._prepared.database.writing() as connection:
            connection.execute(delete(replay).where(is_mine))
