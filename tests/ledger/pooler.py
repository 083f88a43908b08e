"""A PgBouncer for one test, in front of the tests' server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import URL

from ..ports import free_port
from ..processes.waiting import TIMEOUT, wait_until

SERVER_CONNECTIONS = {"transaction": 3, "session": 30}
"""Fewer than a test's clients, so that their statements go to whichever is free; in session mode
each client has one to itself."""

_INI = """
[databases]
{name} = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
"""


@contextmanager
def pgbouncer(url: URL, mode: str = "transaction") -> Generator[URL]:
    """The URL of *url*'s database behind a pooler; skips the test where it is not installed."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        reason = "pgbouncer is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    port = free_port()
    server = f"host={url.host or '127.0.0.1'} port={url.port or 5432} user={url.username}"
    if url.password:
        server += f" password={url.password}"
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder, "pgbouncer.ini")
        ini.write_text(
            _INI.format(
                name=url.database,
                server=server,
                port=port,
                mode=mode,
                size=SERVER_CONNECTIONS[mode],
            )
        )
        for path in (Path(folder), ini):
            path.chmod(0o755)
        # It refuses to run as root.
        user = "nobody" if os.geteuid() == 0 else None
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen([program, ini], stdout=log, stderr=log, user=user)
        try:
            wait_until(lambda: process.poll() is not None or is_open(port), "pgbouncer is up")
            assert process.poll() is None, Path(folder, "log").read_text()
            yield url.set(host="127.0.0.1", port=port)
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
