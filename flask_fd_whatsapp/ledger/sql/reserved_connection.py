"""A connection beside the pool, for what must not wait until a handler gives one back."""

from __future__ import annotations

from collections.abc import Callable
from os import getpid
from typing import Any, TypeVar

from sqlalchemy import Engine, Pool, event

T = TypeVar("T")


class Reserved:
    """Opened when it is first needed, and kept; for one thread of each process at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # By process: what a parent has opened is its own, and stays open.
        self._pools: dict[int, Pool] = {}
        event.listen(engine, "engine_disposed", lambda _: self._close())

    def run(self, work: Callable[[Any], T]) -> T:
        """Do *work*, given a driver's cursor, and commit; again if the connection has died idle.

        :raises: what SQLAlchemy or the driver raises.
        """
        pid = getpid()
        pool = self._pools.get(pid) or self._pools.setdefault(pid, self._engine.pool.recreate())
        try:
            return self._run(pool, work)
        except self._engine.dialect.loaded_dbapi.Error:
            return self._run(pool, work)

    def _close(self) -> None:
        pool = self._pools.pop(getpid(), None)
        if pool is not None:
            pool.dispose()

    def _run(self, pool: Pool, work: Callable[[Any], T]) -> T:
        connection = pool.connect()
        try:
            result = work(connection.cursor())
            connection.commit()
        except BaseException:
            connection.invalidate()
            raise
        connection.close()
        return result
