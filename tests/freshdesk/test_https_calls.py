"""Calls over real connections: deadlines, bounds, TLS, proxies, and what is kept."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_fd_whatsapp import ConfigurationError
from flask_fd_whatsapp.freshdesk import https_calls
from flask_fd_whatsapp.freshdesk.https_calls import (
    KEPT,
    MAX_BODY,
    Answer,
    HTTPSCalls,
    NoAnswer,
    basic_authentication,
)

from .raw_servers import (
    Authority,
    Converse,
    answer_of,
    answering,
    listening,
    proxying,
    request_of,
)

PATH = "/api/v2/channels/outbound-messages"
SHORT = 0.3
LONG = 20.0


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this machine trusts."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def calls_of(place: str | int, timeout: float = LONG) -> HTTPSCalls:
    domain = f"http://127.0.0.1:{place}" if isinstance(place, int) else place
    return HTTPSCalls(domain, basic_authentication("k3y"), timeout=timeout)


def failure(answer: Answer | NoAnswer) -> NoAnswer:
    assert isinstance(answer, NoAnswer), answer
    return answer


def whole(answer: Answer | NoAnswer) -> Answer:
    assert isinstance(answer, Answer), answer
    return answer


def test_what_is_sent() -> None:
    """A call has the key as user of basic authentication, takes JSON, and says who calls."""
    seen: list[bytes] = []
    with listening(answering(answer_of(b"{}"), seen=seen)) as port:
        answer = whole(calls_of(port).call("POST", PATH, b'{"a":1}'))
    assert (answer.status, answer.body) == (200, b"{}")
    head, _, body = seen[0].decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    assert (first, body) == (f"POST {PATH} HTTP/1.1", '{"a":1}')
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert headers["authorization"] == "Basic azN5Olg="
    assert headers["content-type"] == headers["accept"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"] == "flask_fd_whatsapp"


def dripping(first: bytes) -> Converse:
    """Sends *first*, and then a byte each tenth of the deadline."""

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(first)
        gone = threading.Event()
        while not gone.wait(SHORT / 10):
            connection.sendall(b"a")

    return converse


@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["head", "body"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_dripping_answer_ends(
    first: bytes, secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endlessly trickling answer ends at the deadline, in headers and body."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    tls = authority.server("localhost") if secure else None
    with listening(dripping(first), tls) as port:
        calls = calls_of(f"localhost:{port}" if secure else port, SHORT)
        told = failure(calls.call("POST", PATH, b"{}"))
    assert told == NoAnswer("no whole answer within 0.3 s", went_out=True)


def test_a_dripping_handshake_ends() -> None:
    """A TLS handshake that never finishes ends there too; nothing has been sent then."""

    def converse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")  # the head of a record that never ends
        gone = threading.Event()
        while not gone.wait(SHORT / 10):
            connection.sendall(b"\x00")

    with listening(converse) as port:
        told = failure(calls_of(f"localhost:{port}", SHORT).call("POST", PATH, b"{}"))
    assert told == NoAnswer("no connection within 0.3 s", went_out=False)


def test_a_dripping_proxy_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that never answers ends there too."""
    with listening(dripping(b"HTTP/1.1 200 OK\r\nX-Long: ")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        told = failure(calls_of("acme.freshdesk.com", SHORT).call("POST", PATH, b"{}"))
    assert told == NoAnswer("no connection within 0.3 s", went_out=False)


def test_every_address_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that answers nothing leaves time for the next one of the name."""
    with socket.socket() as silent, listening(answering(answer_of(b"{}"))) as port:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        full = [socket.socket() for _ in range(4)]  # its backlog, so that connecting hangs
        for one in full:
            one.setblocking(False)
            one.connect_ex(silent.getsockname())
        addresses = [silent.getsockname(), ("127.0.0.1", port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert whole(calls_of(port, 2.0).call("GET", PATH)).status == 200
        for one in full:
            one.close()


BROKEN = {
    "no answer": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "half a body": b'HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n{"success":',
    "half a chunk": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "bad chunk": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_off(sent: bytes) -> None:
    """An incomplete answer after the request went out is no answer."""
    with listening(answering(sent)) as port:
        told = failure(calls_of(port).call("POST", PATH, b"{}"))
    assert told.went_out


def test_a_body_without_end() -> None:
    """At most 1 MiB of a body is read."""

    def converse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    with listening(converse) as port:
        told = failure(calls_of(port).call("GET", PATH))
    assert told == NoAnswer("the answer has more than 1 MiB", went_out=True)


def test_a_body_of_the_very_bound() -> None:
    """A body of exactly 1 MiB is read."""
    with listening(answering(answer_of(bytes(MAX_BODY)))) as port:
        assert len(whole(calls_of(port).call("GET", PATH)).body) == MAX_BODY


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(status: str) -> None:
    """A redirect is the answer; nobody goes where it leads to."""
    elsewhere: list[bytes] = []
    with (
        listening(answering(answer_of(b"{}"), seen=elsewhere)) as other,
        listening(
            answering(answer_of(b"", status, f"Location: http://127.0.0.1:{other}/"))
        ) as port,
    ):
        assert whole(calls_of(port).call("POST", PATH, b"{}")).status == int(status[:3])
    assert elsewhere == []


def test_tls_is_verified(authority: Authority) -> None:
    """A server with a certificate for its name from a trusted authority is accepted."""
    with listening(answering(answer_of(b"{}")), authority.server("localhost")) as port:
        assert whole(calls_of(f"localhost:{port}").call("GET", PATH)).status == 200


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_wrong_certificate(wrong: str, authority: Authority, tmp_path: Path) -> None:
    """A certificate for another name or from an unknown authority ends the call before anything is
    sent.
    """
    other = tmp_path / "other"
    other.mkdir()
    shown = (
        authority.server("other.example")
        if wrong == "name"
        else Authority(other).server("localhost")
    )
    seen: list[bytes] = []
    with listening(answering(answer_of(b"{}"), seen=seen), shown) as port:
        told = failure(calls_of(f"localhost:{port}").call("POST", PATH, b"{}"))
    assert not told.went_out
    assert "certificate" in told.reason
    assert seen == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_tunnelled_through(
    variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxy is used through a tunnel, with its own password, and does not see the
    key.
    """
    asked: list[bytes] = []
    seen: list[bytes] = []
    server = listening(
        answering(*[answer_of(b"{}")] * 2, seen=seen), authority.server("acme.freshdesk.com")
    )
    with server as behind, proxying(asked, behind) as port:
        monkeypatch.setenv(variable, f"http://ada:s%40t@127.0.0.1:{port}")
        calls = calls_of("acme.freshdesk.com")
        assert whole(calls.call("GET", PATH)).status == 200
        assert whole(calls.call("GET", PATH)).status == 200
        calls.close()
    assert len(asked) == 1  # for both calls
    assert asked[0].startswith(b"CONNECT acme.freshdesk.com:443 HTTP/1.")
    assert b"YWRhOnNAdA==" in asked[0]  # ada:s@t
    assert b"azN5Olg" not in asked[0]
    assert b"azN5Olg" in seen[0]
    assert b"YWRhOnNAdA" not in seen[0]


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that grants no tunnel is as if there were no connection."""
    with listening(answering(answer_of(b"", "407 Proxy Authentication Required"))) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        told = failure(calls_of("acme.freshdesk.com").call("POST", PATH, b"{}"))
    assert told == NoAnswer("the proxy refused the connection", went_out=False)


def test_hosts_in_no_proxy_are_called_directly(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts in NO_PROXY, and this machine, are called directly."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with listening(answering(answer_of(b"{}"))) as port:
        assert whole(calls_of(port).call("GET", PATH)).status == 200
    monkeypatch.setenv("NO_PROXY", "freshdesk.com")
    calls = calls_of("acme.freshdesk.com")
    assert calls._proxy is None


def test_a_proxy_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be used is an error that says what to write, and shows no password."""
    monkeypatch.setenv("ALL_PROXY", "socks5://ada:s3cret@127.0.0.1:1080")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        calls_of("acme.freshdesk.com")
    assert "s3cret" not in str(caught.value)


class Counted:
    """A server that keeps its connections open, and counts connections and requests."""

    def __init__(self, *lines: str) -> None:
        self.connections = 0
        self.requests = 0
        self._lines = lines
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
        while True:
            request_of(connection)
            with self._lock:
                self.requests += 1
            body = json.dumps({"pid": os.getpid()}).encode()
            connection.sendall(answer_of(body, "200 OK", *self._lines))


@pytest.fixture
def counted() -> Iterator[tuple[Counted, HTTPSCalls]]:
    server = Counted()
    with listening(server) as port:
        calls = calls_of(port)
        yield server, calls
        calls.close()


def test_connections_are_kept(counted: tuple[Counted, HTTPSCalls]) -> None:
    """One call after the other goes over the same connection."""
    server, calls = counted
    for _ in range(5):
        whole(calls.call("POST", PATH, b"{}"))
    assert (server.connections, server.requests) == (1, 5)


def test_an_idle_connection_is_not_used(
    counted: tuple[Counted, HTTPSCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was idle for too long is closed, and another opened."""
    server, calls = counted
    whole(calls.call("POST", PATH, b"{}"))
    monkeypatch.setattr(https_calls, "IDLE", 0.0)
    whole(calls.call("POST", PATH, b"{}"))
    assert (server.connections, server.requests) == (2, 2)


def test_a_closed_connection_is_not_used() -> None:
    """A connection that the server has closed is not used again."""
    with listening(answering(answer_of(b"{}"))) as port:  # which closes after one request
        calls = calls_of(port)
        whole(calls.call("POST", PATH, b"{}"))
        closed = calls._kept[0].connection.sock
        assert closed is not None
        assert closed.recv(1) == b""
        whole(calls.call("POST", PATH, b"{}"))
        calls.close()


def test_a_connection_that_is_to_be_closed() -> None:
    """A connection whose answer says so is closed."""
    server = Counted("Connection: close")
    with listening(server) as port:
        calls = calls_of(port)
        for _ in range(2):
            whole(calls.call("GET", PATH))
        assert not calls._kept
    assert server.connections == 2


def test_a_parents_connection_is_not_used(
    counted: tuple[Counted, HTTPSCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forked process opens its own connections, whatever hooks its server runs."""
    server, calls = counted
    whole(calls.call("GET", PATH))
    monkeypatch.setattr(os, "getpid", lambda: 7)
    whole(calls.call("GET", PATH))
    assert server.connections == 2


def test_not_all_connections_are_kept(counted: tuple[Counted, HTTPSCalls]) -> None:
    """After many concurrent calls some connections are kept, and the others closed."""
    server, calls = counted
    barrier = threading.Barrier(KEPT + 5)

    def call() -> None:
        barrier.wait(LONG)
        whole(calls.call("GET", PATH))

    threads = [threading.Thread(target=call) for _ in range(KEPT + 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == KEPT + 5
    assert 0 < len(calls._kept) <= KEPT


def test_nothing_is_left_open(counted: tuple[Counted, HTTPSCalls]) -> None:
    """What is kept is closed when nobody needs the client any more."""
    _, calls = counted
    whole(calls.call("GET", PATH))
    kept = calls._kept[0].connection
    assert kept.sock is not None
    calls._close()
    assert kept.sock is None


def test_the_clock_of_idle_connections(counted: tuple[Counted, HTTPSCalls]) -> None:
    """A connection is idle from the end of its last answer on."""
    _, calls = counted
    before = time.monotonic()
    whole(calls.call("GET", PATH))
    assert before <= calls._kept[0].since <= time.monotonic()
