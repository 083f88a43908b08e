"""psycopg's connection with a time-out for answers, even behind a pooler or proxy."""

from __future__ import annotations

import select
from collections.abc import Generator
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Engine, create_engine, event

from .engines import ENGINE_OPTIONS, replace_dead, unless_in
from .timeouts import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_INTERVAL_SECONDS,
    KEEPALIVES,
    LOCK_SECONDS,
)

PARAMETERS: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": KEEPALIVES,
    "tcp_user_timeout": ANSWER_SECONDS * 1000,
    "client_encoding": "utf8",
}
"""libpq's parameters, all of them accepted by poolers."""

_READ, _WRITE = 1, 2  # as psycopg's generators say what they wait for

# Not in the startup packet's options, which PgBouncer refuses, and not relied upon behind a pooler,
# where another server process may run the next statement.  PgBouncer passes on TimeZone and
# DateStyle.  Far from UTC, Python cannot represent the first and last day of its calendar; psycopg
# parses only ISO's style.
_SET_UP: Final = """
SELECT pg_backend_pid(),
  set_config('TimeZone', 'UTC', FALSE),
  set_config('DateStyle', 'ISO', FALSE),
  set_config('lock_timeout', CASE
    WHEN pg_backend_pid() = %(pid)s AND current_setting('lock_timeout') = '0' THEN %(lock_timeout)s
    ELSE current_setting('lock_timeout') END, FALSE),
  set_config('default_transaction_isolation', CASE
    WHEN pg_backend_pid() = %(pid)s THEN 'read committed'
    ELSE current_setting('default_transaction_isolation') END, FALSE)
"""


class TimedConnection(psycopg.Connection[Any]):
    """Closes instead of waiting forever for a silent server.

    :ivar answer_seconds: how long it may be silent.
    """

    answer_seconds: float = ANSWER_SECONDS

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **keywords: Any) -> Any:
        """Drive one of psycopg's generators, which yield what they wait for."""
        if not hasattr(select, "poll"):
            return super().wait(gen, *arguments, **keywords)
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(self._wait_for(wanted))
        except StopIteration as end:
            return end.value

    def _wait_for(self, wanted: int) -> int:
        poll = select.poll()
        poll.register(
            self.pgconn.socket,
            (select.POLLIN if wanted & _READ else 0) | (select.POLLOUT if wanted & _WRITE else 0),
        )
        try:
            found = poll.poll(self.answer_seconds * 1000)
        except BaseException:
            self.pgconn.finish()  # in the middle of a statement, so unusable
            raise
        if not found:
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"The server has not answered for {self.answer_seconds:g} seconds."
            ) from TimeoutError()
        ((_, events),) = found
        return (_READ if events & ~select.POLLOUT else 0) | (
            _WRITE if events & ~select.POLLIN else 0
        )


def new_engine(url: URL) -> Engine:
    """An engine used only by the ledger."""
    engine = create_engine(url, connect_args=unless_in(url, PARAMETERS), **ENGINE_OPTIONS)

    @event.listens_for(engine, "do_connect")
    def connect(_: object, record: object, arguments: Any, parameters: Any) -> Any:
        return TimedConnection.connect(*arguments, **parameters)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        set_up(connection)

    replace_dead(engine, lambda connection: int(connection.fileno()))
    return engine


def set_up(connection: psycopg.Connection[Any]) -> None:
    """Make a new connection independent of the server's settings."""
    connection.autocommit = True
    values = {"pid": connection.info.backend_pid, "lock_timeout": f"{LOCK_SECONDS}s"}
    row = connection.execute(_SET_UP, values).fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        connection.prepare_threshold = None  # another server process lacks the statement
    connection.autocommit = False


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether a pooler such as PgBouncer is in between: it reports a made-up process id."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and row[0] != connection.info.backend_pid
