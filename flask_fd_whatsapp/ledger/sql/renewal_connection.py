"""A connection outside the pool to renew claims on, which must not wait for a handler's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine, Pool, event

from ...per_process import PerProcess
from .dialects.timeouts import has_timed_out, wait_at_most

T = TypeVar("T")


class RenewalConnection:
    """Opened on first use, and kept; for one thread of each process at a time.

    :param time_out_attribute: see :attr:`.Connections.time_out_attribute`.
    """

    def __init__(self, engine: Engine, time_out_attribute: str | None) -> None:
        self._engine = engine
        self._time_out_attribute = time_out_attribute
        self._pools: PerProcess[Pool] = PerProcess(lambda: engine.pool.recreate())
        event.listen(engine, "engine_disposed", lambda _: self._close())

    def run(self, work: Callable[[Any], T], *, seconds: float) -> T:
        """Do *work* with a driver's cursor, and commit; again if the connection died while idle.

        :param seconds: how long to wait for the server's answer.
        :raises: what SQLAlchemy or the driver raises.
        """
        pool = self._pools.get()
        try:
            return self._run(pool, work, seconds)
        except _DiedIdle:
            return self._run(pool, work, seconds, is_again=True)

    def _close(self) -> None:
        pool = self._pools.pop()
        if pool is not None:
            pool.dispose()

    def _run(
        self, pool: Pool, work: Callable[[Any], T], seconds: float, *, is_again: bool = False
    ) -> T:
        connection = pool.connect()
        driver: Any = connection.driver_connection
        dialect = self._engine.dialect
        try:
            wait_at_most(driver, self._time_out_attribute, seconds)
            result = work(connection.cursor())
            connection.commit()
        except dialect.loaded_dbapi.Error as error:
            has_died = dialect.is_disconnect(error, driver, None) and not has_timed_out(error)
            connection.invalidate()
            if has_died and not is_again:
                raise _DiedIdle from error
            raise
        except BaseException:
            connection.invalidate()
            raise
        connection.close()
        return result


class _DiedIdle(Exception):
    """The connection had been lost, which shows only on use: another one will do."""
