"""Misbehaving senders: slow ones, and those that cut the connection."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NoReturn
from urllib.parse import urlsplit

from .posts import Manner
from .transport import PAUSE, Answer, NoAnswer, Outgoing, seconds_in


def send_roughly(url: str, request: Outgoing, timeout: float) -> Answer:
    """Send a request over a connection of its own, in its manner.

    :raises NoAnswer: if it is cut, intentionally or not.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    with closing(kind(parts.hostname or "", parts.port, timeout=timeout)) as connection:
        _connect(connection)
        try:
            _send(connection, target, request)
            if request.manner is Manner.CUT_BEFORE_ANSWER:
                _cut(connection, "The connection was cut before the answer was read.")
            answer = connection.getresponse()
            answer.read()
            if request.manner is Manner.CUT_AFTER_ANSWER:
                _cut(connection, "The connection was cut after the answer was read.")
            return Answer(answer.status, seconds_in(answer.headers.get("Retry-After")))
        except TimeoutError as error:
            raise NoAnswer("timeout", f"No answer within {timeout:g} s.") from error
        except (OSError, HTTPException) as error:
            raise NoAnswer("broken", str(error) or type(error).__name__) from error


def _connect(connection: HTTPConnection) -> None:
    try:
        connection.connect()
    except TimeoutError as error:
        raise NoAnswer("timeout", "No connection in time.") from error
    except OSError as error:
        raise NoAnswer("unreachable", str(error)) from error


def _send(connection: HTTPConnection, target: str, request: Outgoing) -> None:
    connection.putrequest(request.method, target, skip_accept_encoding=True)
    for name, value in {**request.headers, "Content-Length": str(len(request.body))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    is_slow = request.manner is Manner.SLOW
    for piece in request.pieces() if is_slow else [request.body]:
        connection.send(piece)
        if is_slow:
            time.sleep(PAUSE)


def _cut(connection: HTTPConnection, detail: str) -> NoReturn:
    """Close with a reset, like a sender that dies."""
    if connection.sock is not None:  # None once an answer said Connection: close
        no_linger = struct.pack("ii", 1, 0)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    raise NoAnswer("cut", detail)
