"""Connections to a SQLite file that stay open for the way of an event.

Taking one of SQLAlchemy's pool and giving it back costs as much as a statement.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Engine

MOST_IDLE: Final = 10

# What a forked process must neither use nor close: dropped, they would be closed.
_LEFT_TO_PARENT: list[object] = []


class KeptConnection:
    """A driver's connection; :meth:`close` gives it back, :meth:`invalidate` closes it."""

    __slots__ = ("_home", "_is_durable", "commit", "cursor", "driver_connection")

    def __init__(self, home: Kept, driver: Any) -> None:
        self._home = home
        self.driver_connection = driver
        self.cursor = driver.cursor
        self.commit = driver.commit
        self._is_durable = True

    def synchronize(self, cursor: Any, *, is_durable: bool) -> None:
        """Whether its commits wait for the disk, from now on."""
        if is_durable is not self._is_durable:
            cursor.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._is_durable = is_durable

    def close(self) -> None:
        """Give it back for the next who asks."""
        self._home.take_back(self)

    def invalidate(self) -> None:
        """Close it, and end the transaction that it may be in.

        A cursor that somebody keeps, such as an error's traceback, keeps one from ending.
        """
        try:
            self.driver_connection.rollback()
        finally:
            self.driver_connection.close()


class Kept:
    """The idle connections of an engine; what they do is not seen by its pool."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: list[KeptConnection] = []

    def connect(self) -> KeptConnection:
        """An idle connection, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._engine.raw_connection()
            driver = connection.driver_connection
            connection.detach()
            return KeptConnection(self, driver)

    def take_back(self, connection: KeptConnection) -> None:
        """Keep it, unless there are enough."""
        if len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.invalidate()

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            self._idle.pop().invalidate()

    def leave(self) -> None:
        """In a forked process: leave its parent's alone, not even closing them."""
        _LEFT_TO_PARENT.append(self._idle)
        self._idle = []
