"""Ports for servers in tests that run in parallel."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

FIRST, LAST = 12_000, 32_000
"""Below what systems give to those who ask for any port, so that nobody gets it meanwhile."""


def free_port() -> int:
    """A free port on 127.0.0.1, chosen at random, independently of the tests' seed."""
    for _ in range(100):
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError(f"There is no free port from {FIRST} to {LAST}.")
