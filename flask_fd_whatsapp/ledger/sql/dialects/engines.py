"""What all engines that ledgers create for themselves have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DisconnectionError

from .timeouts import CONNECT_SECONDS, is_readable

POOL_SIZE: Final = 6
MAX_OVERFLOW: Final = 5
"""With :data:`.pool.MOST` and the one that renews leases, at most 20 connections."""

ENGINE_OPTIONS: Final[dict[str, Any]] = {
    "hide_parameters": True,
    "pool_size": POOL_SIZE,
    "max_overflow": MAX_OVERFLOW,
    "pool_timeout": CONNECT_SECONDS,
}


def unless_in(url: URL, parameters: dict[str, Any]) -> dict[str, Any]:
    """The driver's parameters that the URL does not set itself."""
    return {name: value for name, value in parameters.items() if name not in url.query}


def replace_dead(engine: Engine, descriptor_of: Callable[[Any], int]) -> None:
    """Never check a connection out of the pool that the server has closed.

    The server is pinged only if data has arrived on an idle connection.

    :param descriptor_of: returns the file descriptor of a driver's connection.
    """

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: object, proxy: object) -> None:
        try:
            if not is_readable(descriptor_of(connection)) or engine.dialect.do_ping(connection):
                return
        except (AttributeError, OSError, engine.dialect.loaded_dbapi.Error):
            pass  # closed
        raise DisconnectionError("The server has closed an idle connection.")
