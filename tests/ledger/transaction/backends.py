"""The server's side of a connection, and how it is lost."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

ALIVE = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = {}",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE id = {}",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE id = {}",
}
KILL = {
    "postgresql": "SELECT pg_terminate_backend({})",
    "mysql": "KILL {}",
    "mariadb": "KILL {}",
}


def backend_of(connection: Connection) -> int:
    """The server's number for a connection, without asking the server."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        return int(driver.info.backend_pid)
    return int(driver.thread_id())


def kill(connection: Connection) -> None:
    """End a connection at the server, as an administrator or a failover does."""
    number = backend_of(connection)
    with administrator(connection.engine) as other:
        other.exec_driver_sql(KILL[connection.dialect.name].format(number))
    wait_until_gone(connection.engine, number)


def wait_until_gone(engine: Engine, number: int) -> None:
    """Wait until the server has ended a connection."""
    deadline = time.monotonic() + 30
    with administrator(engine) as other:
        while other.exec_driver_sql(ALIVE[engine.dialect.name].format(number)).scalar():
            assert time.monotonic() < deadline, "the server keeps the connection"
            time.sleep(0.01)


def administrator(engine: Engine) -> Connection:
    """Another connection to the same database, which commits by itself."""
    return create_engine(engine.url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect()
