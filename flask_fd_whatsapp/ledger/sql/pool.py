"""Connections kept open for handling events.

Checking one out of SQLAlchemy's pool and back in costs as much as a statement, an eighth to a
quarter of an event's CPU time: ``python -m benchmarks.pooling`` compares the two on each database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from sqlalchemy import Engine

MOST: Final = 8
"""Connections kept; when all of these are in use, the pool provides one."""

_LEFT_TO_PARENT: list[object] = []


def leave(connections: object) -> None:
    """In a forked process: neither use nor close its parent's connections, and keep references,
    since garbage collection would close them."""
    _LEFT_TO_PARENT.append(connections)


class Idle(deque["KeptConnection"]):
    """The idle connections.

    :ivar is_over: all were renewed since.
    """

    is_over = False


class KeptConnection:
    """A driver's connection; :meth:`close` returns it, :meth:`invalidate` closes it.

    :ivar idle: where it is kept when idle; unused once all are renewed.
    :ivar is_durable: whether its commits wait for the disk, for code that changes that.
    """

    __slots__ = ("_home", "commit", "cursor", "driver_connection", "idle", "is_durable")

    def __init__(self, home: Kept, driver: Any, idle: Idle) -> None:
        self._home = home
        self.idle = idle
        self.driver_connection = driver
        self.cursor = driver.cursor
        self.commit = driver.commit
        self.is_durable = True

    def close(self) -> None:
        """Return it for reuse."""
        self._home.take_back(self)

    def invalidate(self) -> None:
        """Close it, ending any open transaction."""
        self._home.drop(self)


class Kept:
    """Connections of an engine that bypass its pool.

    :param prepare: prepares a driver's new connection.
    :param in_turns: use the longest idle first, so that none is idle long enough for a network
        device to drop it; else the last used, whose cache is warmest.
    """

    def __init__(self, engine: Engine, prepare: Callable[[Any], None], *, in_turns: bool) -> None:
        self._engine = engine
        self._error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._prepare = prepare
        self._in_turns = in_turns
        self._reset()

    def connect(self) -> Any:
        """An idle connection, or a new one, or one from the pool."""
        try:
            return self._take()
        except IndexError:
            pass
        with self._lock:
            has_room = self._count < MOST
            self._count += has_room
        if not has_room:
            return self._engine.raw_connection()
        try:
            return KeptConnection(self, self._open(), self._idle)
        except BaseException:
            self._forget()
            raise

    def _open(self) -> Any:
        connection = self._engine.raw_connection()
        driver = connection.driver_connection
        try:
            self._prepare(driver)
            connection.detach()
        except BaseException:
            connection.invalidate()  # a prepared one must not return to the pool
            raise
        return driver

    def take_back(self, connection: KeptConnection) -> None:
        """Keep it for reuse, unless all were renewed while it was in use."""
        if connection.idle.is_over:
            self.drop(connection)
        else:
            connection.idle.append(connection)

    def drop(self, connection: KeptConnection) -> None:
        """Close it, so that a cursor still referenced, by a traceback, say, does not keep its
        transaction open."""
        if connection.idle is self._idle:
            self._forget()
        driver = connection.driver_connection
        with suppress(self._error):
            try:
                driver.rollback()
            finally:
                driver.close()

    def _forget(self) -> None:
        with self._lock:
            self._count -= 1

    def close(self) -> None:
        """Close the idle ones, without notifying a server that may not answer."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                self._forget()
                with suppress(self._error):
                    connection.driver_connection.close()

    def renew(self) -> None:
        """Close the idle ones now, and those in use when they are returned."""
        self._idle.is_over = True
        self.close()
        self._reset()

    def leave(self, *, closing: bool) -> None:
        """In a forked process: leave its parent's alone, or close this process's copies of them."""
        idle = self._idle
        self._reset()
        if not closing:
            leave(idle)
            return
        for connection in idle:
            with suppress(self._error):
                connection.driver_connection.close()

    def _reset(self) -> None:
        self._idle = Idle()
        self._take = self._idle.popleft if self._in_turns else self._idle.pop
        self._count = 0
        self._lock = Lock()
