"""How long the ledger's own connections wait, and for what.

A connection whose server has vanished silently (a failover, a NAT that dropped it) looks like one
that is about to answer.  The operating system's keepalives detect a dead network, and a time-out
a server that accepts bytes and never answers.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

from ...patience import longest_wait

CONNECT_SECONDS: Final = 5
"""For a connection to a server, or from a pool."""

LOCK_SECONDS: Final = 10
"""For a lock that another holds."""

ANSWER_SECONDS: Final = 30
"""For a server that does not answer."""

LONG_ANSWER_SECONDS: Final = 3600
"""The same for long work: reports, maintenance, migrations."""

KEEPALIVE_IDLE_SECONDS: Final = 30
KEEPALIVE_INTERVAL_SECONDS: Final = 10
KEEPALIVES: Final = 3
"""A connection is dead once this many in a row went unanswered."""


@contextmanager
def patient(
    connection: Connection, attribute: str | None, seconds: float = LONG_ANSWER_SECONDS
) -> Generator[None]:
    """Within the block, wait *seconds* for each answer, if there is a limit at all.

    The wait is shorter if the caller has set a maximum with :func:`.waiting_at_most`.

    :param attribute: the name of the time-out on the driver's connections.
    """
    driver: Any = connection.connection.driver_connection
    before = getattr(driver, attribute, None) if attribute else None
    if not (attribute and before):
        yield
        return
    setattr(driver, attribute, max(before, min(seconds, longest_wait())))
    try:
        yield
    finally:
        setattr(driver, attribute, before)


def wait_at_most(driver: Any, attribute: str | None, seconds: float) -> None:
    """Wait *seconds* for each answer on a driver's connection from now on, if it has a time-out."""
    found = getattr(driver, attribute, None) if attribute else None
    if attribute and found:
        setattr(driver, attribute, min(found, seconds))


def keep_alive(sock: socket.socket) -> None:
    """Let the operating system detect that the peer is gone."""
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
    """Whether unsolicited data has arrived: mostly the end of the connection."""
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def has_timed_out(error: Exception) -> bool:
    """Whether the wait for a server timed out, as a retry would too."""
    driver = getattr(error, "orig", error)
    return isinstance(driver.__cause__ or driver.__context__, TimeoutError)
