"""How long the ledger's own connections wait, and for what.

A connection whose server has gone without a word (a failover, a NAT that forgot it) looks like one
that is about to answer.  The operating system's keepalives find a network that is gone, and a
time-out a server that takes bytes and answers nothing.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

CONNECT_SECONDS: Final = 5
"""For a connection to a server, or out of a pool."""

LOCK_SECONDS: Final = 10
"""For a lock that somebody else has."""

ANSWER_SECONDS: Final = 30
"""For a server that answers nothing."""

LONG_ANSWER_SECONDS: Final = 3600
"""The same, where much is to be done: reports, upkeep, migrations."""

KEEPALIVE_IDLE_SECONDS: Final = 30
KEEPALIVE_INTERVAL_SECONDS: Final = 10
KEEPALIVES: Final = 3
"""A connection is over when so many in a row have not been answered."""


@contextmanager
def patient(
    connection: Connection, attribute: str | None, seconds: float = LONG_ANSWER_SECONDS
) -> Generator[None]:
    """For the time of the block, wait so long for each answer, if there is a limit at all.

    :param attribute: where the driver's connections have their time-out.
    """
    driver: Any = connection.connection.driver_connection
    before = getattr(driver, attribute, None) if attribute else None
    if not (attribute and before):
        yield
        return
    setattr(driver, attribute, max(before, seconds))
    try:
        yield
    finally:
        setattr(driver, attribute, before)


def wait_at_most(driver: Any, attribute: str | None, seconds: float) -> None:
    """Wait so long for each answer on a driver's connection from now on, if it has a time-out."""
    found = getattr(driver, attribute, None) if attribute else None
    if attribute and found:
        setattr(driver, attribute, min(found, seconds))


def keep_alive(sock: socket.socket) -> None:
    """Let the operating system notice that the other side is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_SECONDS,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_SECONDS,
        "TCP_KEEPCNT": KEEPALIVES,
        "TCP_USER_TIMEOUT": ANSWER_SECONDS * 1000,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # not every system has all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_readable(descriptor: int) -> bool:
    """Whether something has come that nobody asked for: the end of the connection, mostly."""
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def has_timed_out(error: Exception) -> bool:
    """Whether a server was waited for in vain, so that it would be waited for again."""
    driver = getattr(error, "orig", error)
    return isinstance(driver.__cause__ or driver.__context__, TimeoutError)
