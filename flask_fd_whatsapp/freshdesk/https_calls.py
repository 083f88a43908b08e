"""HTTPS calls that end in time, and never expose the API key.

The key stays in a closure, and no exception carries the frames in which it was in a header:
failures are returned as values, and interruptions (Ctrl-C, a worker's time-out) are raised again
without their traceback.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..api_settings import is_loopback
from ..exceptions import ConfigurationError, FreshdeskWhatsAppError

try:
    from urllib3.exceptions import HTTPError, ReadTimeoutError
    from urllib3.util import Url, make_headers, parse_url

    from .bounded_connection import BoundedHTTPConnection, BoundedHTTPSConnection, tls_context
except ImportError as error:
    raise FreshdeskWhatsAppError(
        "Freshdesk's API is called with urllib3: pip install 'flask_fd_whatsapp[freshdesk]'"
    ) from error

MAX_BODY: Final = 1 << 20
"""The maximum number of bytes of an answer."""

KEPT: Final = 10
"""The maximum number of idle connections."""

IDLE: Final = 4.0
"""Seconds after which an idle connection is not used again: servers close theirs, and a request
that crosses with that may or may not have been read."""

_PIECE: Final = 1 << 16

_Connection = BoundedHTTPConnection | BoundedHTTPSConnection
_FAILURES: Final = (OSError, HTTPException, HTTPError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class NoAnswer(NamedTuple):
    """No complete answer was received.

    :param went_out: whether any of the request may have left this machine.
    """

    reason: str
    went_out: bool


class _Kept(NamedTuple):
    connection: _Connection
    since: float
    process: int


class HTTPSCalls:
    """Calls one server, from any number of threads and processes.

    :param domain: as returned by :func:`~flask_fd_whatsapp.api_settings.api_domain`.
    :param authorize: returns the value of ``Authorization``.
    :param timeout: the maximum number of seconds of a call.
    :raises ConfigurationError: if the environment names an unusable proxy.
    """

    def __init__(self, domain: str, authorize: Callable[[], str], *, timeout: float) -> None:
        scheme, _, place = domain.rpartition("://")
        parts = urlsplit(f"//{place}")
        self._place = place
        self._host, self._port = parts.hostname or "", parts.port
        self._is_plain = scheme == "http"
        self._authorize = authorize
        self._timeout = timeout
        self._tls = None if self._is_plain else tls_context()
        self._proxy = None if is_loopback(self._host) else _proxy_for(place)
        self._kept: deque[_Kept] = deque()
        self.last_headers: Mapping[str, str] = {}
        self._close = weakref.finalize(self, _close_all, self._kept)

    def __repr__(self) -> str:
        return f"<HTTPSCalls {self._place}>"

    def close(self) -> None:
        """Close the idle connections; the next call opens a new one."""
        _close_all(self._kept)

    def call(self, method: str, target: str, body: bytes | None = None) -> Answer | NoAnswer:
        """Make a call; redirects are not followed.

        :param target: path, percent-encoded.
        """
        connection = self._take() or self._new()
        connection.deadline.begin(self._timeout)
        went_out = is_whole = False
        failure = ""
        interruption: BaseException | None = None
        answer: Answer | None = None
        try:
            if connection.sock is None:
                connection.connect()
            went_out = True
            connection.request(
                method, target, body, self._headers(body is not None), preload_content=False
            )
            answer = _read(connection)
            is_whole = True
        except _FAILURES as error:
            failure = _said(error, went_out, self._timeout)
        except BaseException as error:
            interruption = error
        finally:
            if is_whole and connection.sock is not None:
                self._keep(connection)
            else:
                connection.close()
        del connection  # which may still hold unsent data
        if interruption is not None:
            interruption.__context__ = interruption.__cause__ = None
            raise interruption.with_traceback(None)
        if answer is not None and len(answer.body) > MAX_BODY:
            return NoAnswer("the answer has more than 1 MiB", went_out=True)
        if answer is None or not is_whole:
            return NoAnswer(failure, went_out)
        self.last_headers = answer.headers
        return answer

    def _headers(self, has_body: bool) -> dict[str, str]:
        content = {"Content-Type": "application/json"} if has_body else {}
        return {
            "Accept": "application/json",
            "Authorization": self._authorize(),
            "User-Agent": "flask_fd_whatsapp",
            **content,
        }

    def _take(self) -> _Connection | None:
        """Return an idle connection that is fresh, open, and of this process."""
        while True:
            try:
                kept = self._kept.pop()
            except IndexError:
                return None
            is_fresh = kept.process == os.getpid() and time.monotonic() - kept.since < IDLE
            if is_fresh and kept.connection.is_connected:
                return kept.connection
            kept.connection.close()  # the parent's stays open there

    def _keep(self, connection: _Connection) -> None:
        if len(self._kept) < KEPT:
            self._kept.append(_Kept(connection, time.monotonic(), os.getpid()))
        else:
            connection.close()

    def _new(self) -> _Connection:
        if self._is_plain:
            return BoundedHTTPConnection(self._host, self._port, timeout=self._timeout)
        place = self._proxy or Url(host=self._host, port=self._port)
        connection = BoundedHTTPSConnection(
            place.host or "", place.port, timeout=self._timeout, ssl_context=self._tls
        )
        if self._proxy is not None:
            user = unquote(self._proxy.auth or "")
            login = make_headers(proxy_basic_auth=user) if user else {}
            connection.set_tunnel(self._host, self._port or 443, login)
        return connection


def basic_authentication(user: str) -> Callable[[], str]:
    """Return a function that returns a user's ``Authorization``, hiding the key from all others."""

    def authorize() -> str:
        return f"Basic {base64.b64encode(f'{user}:X'.encode()).decode()}"

    return authorize


def _proxy_for(place: str) -> Url | None:
    """Return the proxy of ``HTTPS_PROXY``, or ``ALL_PROXY``, unless ``NO_PROXY`` names the host."""
    proxies = getproxies()
    given = proxies.get("https") or proxies.get("all")
    if not given or proxy_bypass(place):
        return None
    proxy = parse_url(given if "://" in given else f"http://{given}")
    if proxy.scheme != "http" or not proxy.host:
        raise ConfigurationError(
            "HTTPS_PROXY (or ALL_PROXY) in the environment is not a usable proxy for Freshdesk's "
            f"API: write http://<host>:<port>, or name {place} in NO_PROXY."
        )
    return proxy._replace(port=proxy.port or 80)


def _read(connection: _Connection) -> Answer:
    """Read the answer, and no more of its body than one chunk beyond the limit."""
    response = connection.getresponse()
    pieces: list[bytes] = []
    size = 0
    while size <= MAX_BODY and (piece := response.read(_PIECE, decode_content=False)):
        pieces.append(piece)
        size += len(piece)
    if size > MAX_BODY:
        connection.close()
    return Answer(response.status, response.headers, b"".join(pieces))


def _said(error: Exception, went_out: bool, timeout: float) -> str:
    """Describe the failure without anything that was sent or received."""
    if isinstance(error, (TimeoutError, ReadTimeoutError)):
        return f"no {'whole answer' if went_out else 'connection'} within {timeout:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was rejected ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if not went_out and isinstance(error, OSError):
        return "the proxy refused the connection"
    return f"the answer was cut off, or is not HTTP ({type(error).__name__})"


def _close_all(kept: deque[_Kept]) -> None:
    while kept:
        kept.pop().connection.close()
