"""Connections with a deadline for the whole call, however slowly the data arrives.

A socket's timeout applies to each wait separately, so an answer that trickles in byte by byte never
times out. Here every wait (connecting to each address, the proxy's answer, the TLS handshake,
headers and body) is limited to the time left until the deadline. Resolving the host's name is
subject only to the resolver's own timeouts.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """A deadline that is reset for each call."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0.0

    def begin(self, seconds: float) -> None:
        """Set the deadline to this many seconds from now."""
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left until the deadline.

        :raises TimeoutError: if it has passed.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline has passed.")
        return left


class _BoundedSocket(socket.socket):
    """A socket whose waits end at its deadline, once it has one."""

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
    """The same over TLS; the handshake uses the timeout that was set on the plain socket."""


def tls_context() -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    It trusts the system's certificate authorities, or those of ``SSL_CERT_FILE``.
    """
    context = ssl.create_default_context()
    context.sslsocket_class = _BoundedTLSSocket
    return context


class BoundedHTTPConnection(HTTPConnection):
    """Unencrypted: for a server on this machine."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.deadline = Deadline()

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, _BoundedSocket):
            self.sock.deadline = self.deadline

    def _new_conn(self) -> socket.socket:
        """Open a TCP connection; the remaining addresses share the remaining time."""
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
        raise failure or OSError("The host name has no address.")


class BoundedHTTPSConnection(BoundedHTTPConnection, HTTPSConnection):
    """Over TLS, directly or through a proxy's tunnel."""
