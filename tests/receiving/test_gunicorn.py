from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ..conftest import PAYLOADS, SAMPLES, TOKEN, URL

pytest.importorskip("gunicorn")

ROOT = Path(__file__).parents[2]
TIMEOUT = 20
GUNICORN = (sys.executable, "-m", "gunicorn", "--worker-class=gthread", "--threads=4")

Answer = tuple[int, Any]


class Server:
    """gunicorn with ``tests.apps.receiver``, on a port of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def raw(self, request: bytes, *, cut: bool = False) -> Answer:
        """Send bytes as they are.

        :param cut: tell that no more follow, as the death of a sender does.
        """
        with closing(self.connect()) as connection:
            connection.connect()
            connection.sock.sendall(request)
            if cut:
                connection.sock.shutdown(socket.SHUT_WR)
            with http.client.HTTPResponse(connection.sock) as answer:
                answer.begin()
                return read(answer)

    def seen(self, message_id: str) -> dict[str, Any]:
        """What the application knows about a message."""
        with closing(self.connect()) as connection:
            connection.request("GET", f"/messages/{message_id}")
            seen: dict[str, Any] = json.loads(connection.getresponse().read())
            return seen


def read(answer: http.client.HTTPResponse) -> Answer:
    body = answer.read()
    is_json = "json" in answer.headers.get("Content-Type", "")
    return answer.status, json.loads(body) if is_json else body


def post(connection: http.client.HTTPConnection, body: bytes, *, chunked: bool = False) -> Answer:
    headers = {"Authorization": TOKEN}
    if chunked:
        parts = (body[at : at + 8192] for at in range(0, len(body), 8192))
        connection.request("POST", URL, parts, headers, encode_chunked=True)
    else:
        connection.request("POST", URL, body, headers)
    return read(connection.getresponse())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server; on SIGTERM it has to end by itself."""
    folder = tmp_path_factory.mktemp("gunicorn")
    # The socket is bound here, so that no other process can take the port in between, and
    # listens from the beginning: the first request waits until a worker accepts it.
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "log").open("wb") as log:
        fd, port = listener.fileno(), listener.getsockname()[1]
        process = subprocess.Popen(
            [*GUNICORN, f"--bind=fd://{fd}", "tests.apps.receiver:app"],
            cwd=ROOT,
            env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
            stdout=log,
            stderr=log,
            pass_fds=[fd],
        )
    with process:
        try:
            started = Server(port)
            assert started.seen("nothing") == {"handled": 0, "statuses": []}
            yield started
            assert process.poll() is None
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
    assert process.returncode == 0
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def message_id() -> str:
    """An id that no other test has used."""
    return uuid.uuid4().hex


def event(message_id: str, name: str = "queued") -> bytes:
    payload = json.loads((PAYLOADS / f"{name}.json").read_text())
    payload["data"]["message_id"] = message_id
    return json.dumps(payload).encode()


def head(*lines: str, authorization: str = TOKEN) -> bytes:
    """The beginning of a request as it goes over the wire."""
    first = (f"POST {URL} HTTP/1.1", "Host: localhost", f"Authorization: {authorization}")
    return "\r\n".join((*first, *lines, "", "")).encode("utf-8")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_samples_over_one_connection(server: Server, message_id: str) -> None:
    """The five samples over one connection are accepted, and their repetitions are duplicates."""
    with closing(server.connect()) as connection:
        for result in ("accepted", "duplicate"):
            for name in SAMPLES:
                answer = post(connection, event(message_id, name))
                assert answer == (200, {"result": result})
    assert server.seen(message_id) == {
        "handled": 5,
        "statuses": ["DELIVERED", "FAILED", "QUEUED", "READ", "SENT"],
    }


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_chunks_of_any_size_are_taken(server: Server, message_id: str, size: int) -> None:
    """A chunked body is accepted, whatever the chunks."""
    body = event(message_id)
    chunks = b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size))
    answer = server.raw(head("Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert answer == (200, {"result": "accepted"})
    assert server.seen(message_id)["handled"] == 1


@pytest.mark.parametrize("declared", ["Content-Length: 0", "Transfer-Encoding: chunked", "X-No: 1"])
def test_every_empty_body_is_ignored(server: Server, declared: str) -> None:
    """An empty body of any kind is ignored."""
    end = b"0\r\n\r\n" if "chunked" in declared else b""
    assert server.raw(head(declared) + end) == (200, {"result": "ignored"})


@pytest.mark.parametrize("share", [0, 100])
def test_short_body_is_not_recorded(server: Server, message_id: str, share: int) -> None:
    """A body that ends before its Content-Length is a 400, and not recorded."""
    body = event(message_id)
    sent = head(f"Content-Length: {len(body)}") + body[:share]
    assert server.raw(sent, cut=True)[0] == 400
    assert server.seen(message_id)["statuses"] == []


BROKEN_CHUNKS = {
    "cut off before the first": b"",
    "cut off in a chunk": b"fff\r\n{",
    "cut off between chunks": chunk(b"{"),
    "cut off before the end": chunk(b"{}") + b"0\r\n",
    "no size": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "too small a size": b"1\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_broken_chunks(server: Server, chunks: bytes) -> None:
    """Broken or cut-off chunks are a 400, not an error of the application."""
    assert server.raw(head("Transfer-Encoding: chunked") + chunks, cut=True)[0] == 400


CREDENTIALS = {
    "wrong": "Bearer wrong",
    "empty": "",
    "doubled": f"{TOKEN}\r\nAuthorization: {TOKEN}",
    "UTF-8": "Bearer s\xe9cret \u20ac",
    "truncated": TOKEN[:-1],
}


@pytest.mark.parametrize("value", CREDENTIALS.values(), ids=CREDENTIALS)
def test_wrong_header(server: Server, message_id: str, value: str) -> None:
    """A header that is not exactly the configured one is a 401."""
    body = event(message_id)
    status, problem = server.raw(head(f"Content-Length: {len(body)}", authorization=value) + body)
    assert (status, problem["status"]) == (401, 401)
    assert server.seen(message_id)["statuses"] == []


def test_huge_header(server: Server) -> None:
    """A header of 100 kB is rejected by the server or the receiver, without an error of either."""
    sent = head("Content-Length: 0", authorization="Bearer " + 100_000 * "x")
    assert 400 <= server.raw(sent)[0] < 500


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("url", [URL, f"{URL}/"])
def test_connection_goes_on_after_a_probe(server: Server, method: str, url: str) -> None:
    """A probe gets an empty 204, and the connection can be used for an event."""
    with closing(server.connect()) as connection:
        for _ in range(2):
            connection.request(method, url)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (204, b"")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_keep_alive_after_too_large(server: Server, message_id: str, is_chunked: bool) -> None:
    """After a 413 the rest of its body is not taken for a request, and the next event is
    accepted.
    """
    hidden = uuid.uuid4().hex
    request = head(f"Content-Length: {len(event(hidden))}") + event(hidden)
    with closing(server.connect()) as connection:
        assert post(connection, 20_000 * b" " + request, chunked=is_chunked)[0] == 413
        try:
            answer = post(connection, event(message_id), chunked=is_chunked)
        except ConnectionError:  # a server may close instead of reading on
            connection.close()
            answer = post(connection, event(message_id), chunked=is_chunked)
        assert answer == (200, {"result": "accepted"})
    assert server.seen(hidden)["statuses"] == []


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_ten_megabytes(server: Server, message_id: str, is_chunked: bool) -> None:
    """10 MB are rejected, or the connection is closed, and the next event is accepted."""
    with closing(server.connect()) as connection:
        try:
            status, _ = post(connection, bytes(10_000_000), chunked=is_chunked)
        except ConnectionError:
            pass  # the server closed while the body was still being sent
        else:
            assert status == 413
    with closing(server.connect()) as connection:
        assert post(connection, event(message_id)) == (200, {"result": "accepted"})
