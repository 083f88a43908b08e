"""A port that leads to a broker, or to nothing, or to something that never answers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from ..ports import free_port


class Proxy:
    """Forwards bytes to a server while it is up; its port stays the same.

    :param target: host and port of the server; ``None``: it takes connections and is silent.
    """

    def __init__(self, target: tuple[str, int] | None) -> None:
        self.target = target
        self.connections = 0
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def up(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._run(self._accept, self._listener)

    def down(self) -> None:
        """Refuse new connections, and end existing ones."""
        if self._listener is not None:
            _end(self._listener)
        for connection in self._open:
            _end(connection)
        for thread in self._threads:
            thread.join()
        self._listener, self._open, self._threads = None, [], []

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                self._open.append(client)
                if self.target is not None:
                    server = socket.create_connection(self.target)
                    self._open.append(server)
                    self._run(_pass_on, client, server)
                    self._run(_pass_on, server, client)

    def _run(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _end(sink)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
