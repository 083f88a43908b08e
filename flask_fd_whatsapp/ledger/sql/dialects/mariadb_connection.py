"""Connections to MariaDB that the ledger opens itself, through PyMySQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from .engines import ENGINE_OPTIONS, replace_dead, unless_in
from .timeouts import ANSWER_SECONDS, CONNECT_SECONDS, LOCK_SECONDS, keep_alive


def new_engine(url: URL) -> Engine:
    """An engine used only by the ledger, with time-outs unless *url* sets them."""
    parameters = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
    }
    engine = create_engine(
        url,
        connect_args=unless_in(url, parameters),
        isolation_level="READ COMMITTED",  # fewer gap locks, fewer deadlocks
        **ENGINE_OPTIONS,
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _set_up)
    replace_dead(engine, lambda connection: int(connection._sock.fileno()))
    return engine


def _connect(dialect: Any, record: object, arguments: Any, parameters: Any) -> Any:
    """Limit the wait for a greeting: PyMySQL's connect_timeout covers TCP only."""
    seconds = parameters["read_timeout"]
    least = min(parameters["connect_timeout"], seconds)
    connection = dialect.connect(*arguments, **{**parameters, "read_timeout": least})
    connection._read_timeout = seconds
    return connection


def _set_up(connection: Any, _: object) -> None:
    if not connection.unix_socket:
        keep_alive(connection._sock)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, "
            f"lock_wait_timeout = {LOCK_SECONDS}"
        )
