"""Bodies as they come through the servers that hosts use, over real sockets."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..conftest import PAYLOADS, TOKEN, URL
from ..ports import free_port
from ..processes.waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parents[2]
UWSGI = shutil.which("uwsgi", path=str(Path(sys.executable).parent)) or shutil.which("uwsgi")

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Kind:
    """A server: the command for a port, what has to be installed, and what it can do."""

    command: Callable[[int], list[str]]
    needs: tuple[str, ...]
    reads_chunks: bool = True


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def uwsgi(*options: str) -> list[str]:
    return [
        *(UWSGI or "uwsgi", *options, "--master", "--die-on-term", "--need-app", "--processes=1"),
        *("--module=tests.apps.receiver:app", "--pythonpath=.", f"--home={sys.prefix}"),
    ]


def asgi(name: str) -> Callable[[int], list[str]]:
    return lambda port: module("uvicorn", f"--port={port}", f"tests.apps.asgi:{name}")


WSGI = "tests.apps.receiver:app"
SERVERS = {
    "gunicorn": Kind(lambda port: module("gunicorn", f"-b127.0.0.1:{port}", WSGI), ("gunicorn",)),
    "waitress": Kind(
        lambda port: module("waitress", f"--listen=127.0.0.1:{port}", WSGI), ("waitress",)
    ),
    "hypercorn": Kind(
        lambda port: module("hypercorn", f"-b127.0.0.1:{port}", WSGI), ("hypercorn",)
    ),
    "uvicorn with asgiref": Kind(asgi("by_asgiref"), ("uvicorn", "asgiref")),
    "uvicorn with a2wsgi": Kind(asgi("by_a2wsgi"), ("uvicorn", "a2wsgi")),
    "uwsgi": Kind(lambda port: uwsgi(f"--http-socket=127.0.0.1:{port}"), ("uwsgi",)),
    "uwsgi's router": Kind(
        lambda port: uwsgi(f"--http=127.0.0.1:{port}", "--chunked-input-timeout=1"),
        ("uwsgi",),
        reads_chunks=False,
    ),
    "uwsgi's router with chunks": Kind(
        lambda port: uwsgi(f"--http=127.0.0.1:{port}", "--http-chunked-input"), ("uwsgi",)
    ),
}


def require(name: str) -> None:
    """Skip if a server is missing, unless all are required."""
    is_there = UWSGI is not None if name == "uwsgi" else importlib.util.find_spec(name) is not None
    if not is_there:
        reason = f"{name} is not installed: pip install flask_fd_whatsapp[dev]"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


class Server:
    """One of the servers with ``tests.apps.receiver``."""

    def __init__(self, kind: Kind, port: int, log: Path) -> None:
        self.kind = kind
        self.port = port
        self.log = log

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def post(self, body: bytes | None, *, chunked: bool = False, **headers: str) -> Answer:
        """Send a body with its length, in two chunks, or (``None``) without either."""
        sent = {"Authorization": TOKEN, **{k.replace("_", "-"): v for k, v in headers.items()}}
        with closing(self.connect()) as connection:
            if body is None:
                connection.putrequest("POST", URL)
                for name, value in sent.items():
                    connection.putheader(name, value)
                connection.endheaders()
            elif chunked:
                parts = [part for part in (body[:100], body[100:]) if part]
                connection.request("POST", URL, iter(parts), sent, encode_chunked=True)
            else:
                connection.request("POST", URL, body, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            assert process.poll() is None, self.log.read_text()
            with suppress(OSError), closing(self.connect()) as connection:
                connection.request("GET", "/messages/none")
                return connection.getresponse().status == 200
            return False

        wait_until(answers, "the server answers")


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server."""
    kind = SERVERS[request.param]
    for name in kind.needs:
        require(name)
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    running = Server(kind, port, folder / "log")
    with running.log.open("wb") as log:
        process = subprocess.Popen(
            kind.command(port),
            cwd=ROOT,
            env={**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
            stdout=log,
            stderr=log,
        )
    with process:
        try:
            running.wait(process)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def body() -> bytes:
    """An event that no other test has used."""
    payload = json.loads((PAYLOADS / "queued.json").read_text())
    payload["data"]["message_id"] = uuid.uuid4().hex
    return json.dumps(payload).encode()


def test_body_with_a_length_is_taken(server: Server, body: bytes) -> None:
    """A body with a length is accepted; without any header, or with a length of 0, there is
    none.
    """
    assert server.post(body) == (200, {"result": "accepted"})
    assert server.post(body) == (200, {"result": "duplicate"})
    assert server.post(b"") == (200, {"result": "ignored"})
    assert server.post(None) == (200, {"result": "ignored"})


def test_chunked_body_is_taken_or_503(server: Server, body: bytes) -> None:
    """A chunked body is accepted, or answered with 503 and the remedy, and reported once."""
    status, answer = server.post(body, chunked=True)
    if server.kind.reads_chunks:
        assert (status, answer) == (200, {"result": "accepted"})
        assert server.post(body) == (200, {"result": "duplicate"})
        return
    assert (status, "Content-Length" in answer["detail"]) == (503, True)
    assert server.post(body, chunked=True)[0] == 503
    told = [line for line in server.log.read_text().splitlines() if "was rejected" in line]
    assert len(told) == 1
    assert "(unread, answered with 503)" in told[0]
    assert server.post(body) == (200, {"result": "accepted"})


def test_large_chunks(server: Server) -> None:
    """A chunked body above the limit is refused, and never treated as empty."""
    try:
        status, _ = server.post(bytes(100_000), chunked=True)
    except ConnectionError:
        return  # the server closed while the body was still being sent
    assert status == (413 if server.kind.reads_chunks else 503)


def test_empty_chunks(server: Server) -> None:
    """A chunked body without chunks is ignored if the server knows that it ended."""
    status, answer = server.post(b"", chunked=True)
    assert (status, answer.get("result")) in [(200, "ignored"), (503, None)]


def test_http_2(tmp_path: Path, body: bytes) -> None:
    """An HTTP/2 body without a Content-Length is accepted under hypercorn, and never ignored."""
    require("hypercorn")
    port = free_port()
    running = Server(SERVERS["hypercorn"], port, tmp_path / "log")
    with running.log.open("wb") as log:
        process = subprocess.Popen(running.kind.command(port), cwd=ROOT, stdout=log, stderr=log)
    with process:
        try:
            running.wait(process)
            assert post_http_2(port, body) == (200, {"result": "accepted"})
            assert post_http_2(port, body) == (200, {"result": "duplicate"})
            assert post_http_2(port, b"")[0] == 503
        finally:
            process.terminate()


def post_http_2(port: int, body: bytes) -> Answer:
    """Post over HTTP/2 without a Content-Length."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, ResponseReceived, StreamEnded

    status, answer = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        h2.initiate_connection()
        headers = {":method": "POST", ":scheme": "http", ":authority": "localhost", ":path": URL}
        h2.send_headers(1, [*headers.items(), ("authorization", TOKEN)], end_stream=not body)
        if body:
            h2.send_data(1, body, end_stream=True)
        connection.sendall(h2.data_to_send())
        while data := connection.recv(65536):
            for event in h2.receive_data(data):
                if isinstance(event, ResponseReceived):
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, DataReceived):
                    answer += event.data
                elif isinstance(event, StreamEnded):
                    return status, json.loads(answer)
            connection.sendall(h2.data_to_send())
    pytest.fail("The connection was closed before the answer.")
