"""Connections that end at a deadline, whatever comes over them.

A socket's timeout bounds each wait by itself, so that an answer that drips byte by byte never ends.
Here every wait is for what is left until the deadline: connecting to each address, the proxy's
answer, TLS, the head, the body.  (Resolving a name goes by the resolver's own timeouts.)
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """A moment that each call sets anew."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0.0

    def begin(self, seconds: float) -> None:
        """Set it to so many seconds from now."""
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then.

        :raises TimeoutError: if it has passed.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline has passed.")
        return left


class _BoundedSocket(socket.socket):
    """A socket that waits until its deadline, once it has one."""

    deadline: Deadline | None = None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self._bound()
        return super().recv_into(buffer, len(buffer) if nbytes is None else nbytes, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        while view:
            self._bound()
            view = view[self.send(view, flags) :]

    def _bound(self) -> None:
        if self.deadline is not None:
            self.settimeout(self.deadline.left())


class _BoundedTLSSocket(_BoundedSocket, ssl.SSLSocket):
    """The same under TLS; its handshake goes by the timeout that the plain socket had."""


def tls_context() -> ssl.SSLContext:
    """Verifies certificate and name, by the machine's authorities (or ``SSL_CERT_FILE``'s)."""
    context = ssl.create_default_context()
    context.sslsocket_class = _BoundedTLSSocket
    return context


class BoundedHTTPConnection(HTTPConnection):
    """In the clear: for a server on this machine."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.deadline = Deadline()

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, _BoundedSocket):
            self.sock.deadline = self.deadline

    def _new_conn(self) -> socket.socket:
        """A TCP connection; what is left of the time is shared among the addresses to come."""
        found = socket.getaddrinfo(self.host.strip("[]"), self.port, 0, socket.SOCK_STREAM)
        failure: OSError | None = None
        for tried, (family, kind, protocol, _, address) in enumerate(found):
            connection = _BoundedSocket(family, kind, protocol)
            try:
                connection.settimeout(self.deadline.left() / (len(found) - tried))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect(address)
                connection.settimeout(self.deadline.left())
            except OSError as error:
                failure = error
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                connection.deadline = self.deadline
                return connection
        raise failure or OSError("The name has no address.")


class BoundedHTTPSConnection(BoundedHTTPConnection, HTTPSConnection):
    """Under TLS, straight or through a proxy's tunnel."""
