"""An example under gunicorn, and requests to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from .interrupts import held_back

EXAMPLES = Path(__file__).resolve().parents[1]
PATH = "/freshdesk/whatsapp"
TOKEN = "Bearer s3cret"
OUTPUT = "output"
TIMEOUT = 60


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    body: str


@contextmanager
def gunicorn(
    app: str, where: Path, folder: Path, settings: Mapping[str, str], *, is_killed: bool = False
) -> Generator[int]:
    """Serve an application with gunicorn; yield its port.

    :param app: module and name, such as ``app:app``.
    :param where: the folder to import it from.
    :param folder: for the file with what its handlers print.
    :param settings: its environment variables.
    :param is_killed: whether it is killed at the end, as in a crash.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with socket.create_server(("127.0.0.1", 0)) as listening, held_back():
            # A listening socket is handed over: no port is guessed, and nothing has to wait.
            process = _start(app, where, folder, settings, listening.fileno())
            port = int(listening.getsockname()[1])
        yield port
    finally:
        if process is not None:
            with held_back():
                _stop(process, is_killed=is_killed)


def _start(
    app: str, where: Path, folder: Path, settings: Mapping[str, str], descriptor: int
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4"]
    command += ["--bind", f"fd://{descriptor}", "--log-level", "warning"]
    with (folder / OUTPUT).open("ab") as stdout:
        return subprocess.Popen(
            [*command, app],
            cwd=where,
            stdout=stdout,
            pass_fds=[descriptor],
            env={**os.environ, **settings, "XDG_RUNTIME_DIR": str(folder)},  # its control socket
            start_new_session=True,  # a process group, which can be killed as a whole
        )


def _stop(process: subprocess.Popen[bytes], *, is_killed: bool) -> None:
    if not is_killed:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(TIMEOUT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request; return the answer's status and body.

    :raises OSError: if there is none.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode().strip())
    finally:
        connection.close()
