"""Servers that send anything, byte by byte, with or without TLS, and a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import trustme

TIMEOUT = 30

Converse = Callable[[socket.socket], None]


@contextmanager
def listening(converse: Converse, tls: ssl.SSLContext | None = None) -> Generator[int]:
    """A server that calls *converse* with each connection, in a thread; gives its port."""
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), closing(connection):
            connection.settimeout(TIMEOUT)
            if tls is None:
                converse(connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as secured:
                    converse(secured)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    listener = socket.create_server(("127.0.0.1", 0))
    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [acceptor, *threads]:
            thread.join(TIMEOUT)


def request_of(connection: socket.socket) -> bytes:
    """A whole request: head, and as much body as it says."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise ConnectionError("The client has gone.")
    return got


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Converse:
    """Gives these answers to the requests of one connection, and notes the requests."""

    def converse(connection: socket.socket) -> None:
        for answer in answers:
            request = request_of(connection)
            if seen is not None:
                seen.append(request)
            connection.sendall(answer)

    return converse


def answer_of(body: bytes, status: str = "200 OK", *lines: str) -> bytes:
    """An answer with its head."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self, name: str) -> ssl.SSLContext:
        """What a server of that name shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        return context


@contextmanager
def proxying(seen: list[bytes], port: int) -> Generator[int]:
    """A proxy that opens every tunnel to *port* on this machine, and notes the requests."""

    def converse(connection: socket.socket) -> None:
        asked = request_of(connection)
        seen.append(asked)
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as behind:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(behind, connection))
            back.start()
            _pass_on(connection, behind)
            back.join(TIMEOUT)

    with listening(converse) as at:
        yield at


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
