"""Real servers for the simulator to post to: HTTP in a thread, gunicorn, SMTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = Path(__file__).parents[2]
TIMEOUT = 30

Respond = Callable[["Received"], Response | int]


@dataclass(frozen=True)
class Received:
    """A request that a destination got; ``number`` counts those with the same body from 1."""

    method: str
    headers: dict[str, str]
    body: bytes
    number: int


@dataclass
class Destination:
    """A server that records what is posted to it, and answers as told."""

    respond: Respond
    url: str = ""
    received: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        with self.lock:
            number = 1 + sum(before.body == body for before in self.received)
            received = Received(request.method, dict(request.headers), body, number)
            self.received.append(received)
        answer = self.respond(received)
        response = Response(status=answer) if isinstance(answer, int) else answer
        return response(environ, start)


class _Quiet(WSGIRequestHandler):
    def log_request(self, *arguments: Any) -> None: ...

    def log(self, *arguments: Any) -> None: ...


@contextmanager
def serving(application: Any) -> Generator[str]:
    """Serve a WSGI application over HTTP in threads of this process; yield its URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Gunicorn:
    """gunicorn with ``tests.simulator.host`` on a port that outlives it.

    The socket is bound here and handed down, so that nothing is refused while it restarts.
    """

    def __init__(self, folder: Path, workers: int, environment: dict[str, str]) -> None:
        self._folder = folder
        self._workers = workers
        self._environment = environment
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.log = folder / "log"

    def start(self) -> None:
        fd = self._listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "--worker-class=gthread", "--threads=4"]
        command += [f"--workers={self._workers}", f"--bind=fd://{fd}", "tests.simulator.host:app"]
        home = {"HOME": str(self._folder), "TMPDIR": str(self._folder)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **home, **self._environment},
                stdout=log,
                stderr=log,
                pass_fds=[fd],
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill master and workers, at any point."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait(TIMEOUT)
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        self._listener.close()


class Mailbox:
    """What an SMTP server received: e-mails with their recipients."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"


@contextmanager
def smtp(mailbox: Mailbox) -> Generator[int]:
    """A real SMTP server; yields its port."""
    from aiosmtpd.controller import Controller

    with socket.create_server(("127.0.0.1", 0)) as listener:

        class OnOurSocket(Controller):
            def _create_server(self) -> Any:
                return self.loop.create_server(self._factory_invoker, sock=listener)

        port: int = listener.getsockname()[1]
        controller = OnOurSocket(mailbox, hostname="127.0.0.1", port=port)
        controller.start()
        try:
            yield port
        finally:
            controller.stop()
