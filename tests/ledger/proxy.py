"""A port that forwards to a database server, until the network goes silent."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress


class Network:
    """Passes on what comes; while it is silent it takes connections and bytes, and gives none.

    :param server: host and port.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._is_silent = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def go_silent(self) -> None:
        """Stop forwarding to existing and new connections."""
        self._is_silent.set()

    def come_back(self) -> None:
        """Forward on new connections; earlier ones stay silent."""
        self._is_silent.clear()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        for connection in (*self._open, self._listener):
            connection.close()

    def _run(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        while not self._is_over.is_set():
            for key, _ in self._selector.select(0.05):
                if key.data is None:
                    self._accept()
                else:
                    self._pass_on(key.fileobj, key.data)  # type: ignore[arg-type]
        self._selector.close()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self._open.append(client)
        if self._is_silent.is_set():
            return
        server = socket.create_connection(self._server)
        self._open.append(server)
        self._selector.register(client, selectors.EVENT_READ, server)
        self._selector.register(server, selectors.EVENT_READ, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        if self._is_silent.is_set():
            self._selector.unregister(source)
            return
        data = b""
        with suppress(OSError):
            data = source.recv(65536)
            sink.sendall(data)
        if not data:
            self._selector.unregister(source)
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


@contextmanager
def network(server: tuple[str, int]) -> Generator[Network]:
    """A network to *server*, closed at the end."""
    found = Network(server)
    try:
        yield found
    finally:
        found.close()
