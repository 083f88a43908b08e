"""The driver's own connections, for the way of an event: a pool's check-out and the layers above
it cost more than some of the statements.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

from sqlalchemy import Engine


class Connections:
    """Driver connections of an engine, one for each thread where they are kept.

    :param keeps: keep a thread's connection for its next use.  On an engine of the host's that
        would take the host's connections away.
    """

    def __init__(self, engine: Engine, *, keeps: bool) -> None:
        self._engine = engine
        self._keeps = keeps
        self._kept = threading.local()
        _forget_after_fork(self)

    def take(self) -> Any:
        """This thread's connection, or a new one."""
        connection = getattr(self._kept, "connection", None)
        if connection is None:
            return self._engine.raw_connection()
        self._kept.connection = None
        return connection

    def give_back(self, connection: Any) -> None:
        """Keep a connection whose transaction has ended."""
        if self._keeps:
            self._kept.connection = connection
        else:
            connection.close()

    def forget(self, *, close: bool = True) -> None:
        """Let all connections go: after a restart of the server every one of them is dead.

        :param close: close them; a forked worker leaves its parent's alone.
        """
        self._kept = threading.local()
        self._engine.dispose(close=close)


def _forget_after_fork(connections: Connections) -> None:
    reference = weakref.ref(connections)

    def forget() -> None:
        connections = reference()
        if connections is not None:
            connections.forget(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
