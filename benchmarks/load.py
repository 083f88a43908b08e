"""A load generator: any number of connections, each with one request at a time.

One thread that only sends, waits and counts costs a tenth or so of what the servers do that are
measured with it; how much, it tells.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from time import perf_counter, process_time

_STUCK_SECONDS = 30


@dataclass(kw_only=True)
class Load:
    """The result of a run of the load generator.

    :param answers: how many requests were answered with each status; 0 is no answer.
    :param waits: seconds from sending a request (connecting included) to its whole answer.
    :param seconds: from the first request that is measured to the last answer.
    :param cpu_seconds: what the generator itself took of them.
    """

    answers: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    seconds: float = 0
    cpu_seconds: float = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    @property
    def errors(self) -> int:
        """Requests that were not answered with 2xx."""
        return sum(count for status, count in self.answers.items() if not 200 <= status < 300)


def send(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send *requests* for some *seconds* or to their end, and wait for all answers.

    Each connection's first request is not measured: they are opened one after the other, each
    when the one before has been answered, or the server's process that is quickest to accept
    them gets nearly all.

    :raises RuntimeError: if a server stops answering.
    """
    load = Load()
    with DefaultSelector() as selector, ExitStack() as stack:
        opened: list[_Connection] = []
        for request in islice(requests, connections):
            connection = _Connection(port, selector)
            stack.callback(connection.close)
            connection.send(request)
            opened.append(connection)
            load.answers.update(status for _, status in _answered(selector, 1))
        start, cpu_start = perf_counter(), process_time()
        sending = list(zip(opened, requests, strict=False))
        for connection, request in sending:
            connection.send(request)
        for connection, status in _answered(selector, len(sending)):
            now = perf_counter()
            load.answers[status] += 1
            load.waits.append(now - connection.since)
            following = next(requests, None) if now - start < seconds else None
            if following is not None:
                connection.send(following)
    load.seconds = perf_counter() - start
    load.cpu_seconds = process_time() - cpu_start
    return load


def _answered(selector: BaseSelector, waiting: int) -> Iterator[tuple[_Connection, int]]:
    """Yield connections with the status of their answer, until none is waiting.

    Whoever takes one may send its next request.
    """
    while waiting:
        ready = selector.select(_STUCK_SECONDS)
        if not ready:
            raise RuntimeError(f"No answer for {_STUCK_SECONDS} seconds.")
        for key, _ in ready:
            connection: _Connection = key.data
            status = connection.receive()
            if status is not None:
                yield connection, status
                waiting -= not connection.is_waiting


class _Connection:
    """A connection that is reopened after the server has closed it.

    :ivar since: when the last request was begun.
    :ivar is_waiting: whether it has not been answered.
    """

    def __init__(self, port: int, selector: BaseSelector) -> None:
        self.since = 0.0
        self._port = port
        self._selector = selector
        self._socket: socket.socket | None = None
        self._received = b""
        self.is_waiting = False

    def send(self, request: bytes) -> None:
        self.since = perf_counter()
        self.is_waiting = True
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), _STUCK_SECONDS)
            self._selector.register(self._socket, EVENT_READ, self)
        with suppress(OSError):  # then there is no answer to read either
            self._socket.sendall(request)

    def receive(self) -> int | None:
        """The status of an answer that is complete, 0 if none will come."""
        assert self._socket is not None
        try:
            received = self._socket.recv(65536)
        except OSError:
            received = b""
        if not received:
            self.close()
            return self._answered(0) if self.is_waiting else None
        self._received += received
        head, end, body = self._received.partition(b"\r\n\r\n")
        head = head.lower()
        length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            return None
        if b"\r\nconnection: close" in head:
            self.close()
        return self._answered(int(head[9:12]))

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _answered(self, status: int) -> int:
        self._received, self.is_waiting = b"", False
        return status
