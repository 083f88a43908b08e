"""Who calls a handler with past events: one process at a time, under a lease."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from .dialects.base import Database
from .dialects.upsert import upsert
from .tables import replay


class Replays:
    """The part of :class:`SQLLedger` that keeps two replays of one handler apart."""

    @property
    def database(self) -> Database:
        """The database, its tables being up to date."""
        raise NotImplementedError

    def hold_replay(
        self, *, receiver: str, handler: str, token: str, seconds: float
    ) -> datetime | None:
        """Begin a replay, or go on with it: ``None``, or until when it is another's."""
        return self.database.retried(lambda: self._hold(receiver, handler, token, seconds))

    def _hold(self, receiver: str, handler: str, token: str, seconds: float) -> datetime | None:
        key = {"receiver": receiver, "handler": handler}
        now, end = self.database.now(), self.database.now(after=seconds)
        is_it = (replay.c.receiver == receiver) & (replay.c.handler == handler)
        is_free = (replay.c.token == token) | (replay.c.held_until <= now)
        mine = {"token": token, "held_until": end}
        with self.database.writing() as connection:
            held = connection.execute(update(replay).where(is_it, is_free).values(mine))
            if held.rowcount == 0:
                connection.execute(upsert(self.database, replay, key, mine, key))
            holder, until = connection.execute(
                select(replay.c.token, replay.c.held_until).where(is_it)
            ).one()
            return None if holder == token else until

    def end_replay(self, *, receiver: str, handler: str, token: str) -> None:
        """Let others replay; nothing, if it is another's by now."""
        is_mine = (
            (replay.c.receiver == receiver)
            & (replay.c.handler == handler)
            & (replay.c.token == token)
        )
        with self.database.writing() as connection:
            connection.execute(delete(replay).where(is_mine))
