"""Requests straight into a WSGI application, without a network."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.test import EnvironBuilder, run_wsgi_app

from ..log_fields import get_logger
from .posts import Manner
from .transport import PAUSE, Answer, NoAnswer, Outgoing, seconds_in

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = get_logger(__name__)


class WSGITransport:
    """Calls an application like a server would, without a time-out.

    :param url: has the host that the application expects.
    """

    def __init__(self, application: WSGIApplication, url: str) -> None:
        self._application = application
        self._parts = urlsplit(url)

    def send(self, request: Outgoing) -> Answer:
        """Send a request and return its answer."""
        try:
            _, status, headers = run_wsgi_app(
                self._application, self._environ(request), buffered=True
            )
        except Exception as error:
            logger.warning("The application raised an exception.", exc_info=True)
            raise NoAnswer("broken", f"{type(error).__name__}: {error}") from error
        if request.manner in (Manner.CUT_BEFORE_ANSWER, Manner.CUT_AFTER_ANSWER):
            raise NoAnswer("cut", "The answer was lost.")
        return Answer(
            int(status.split()[0]), seconds_in(headers.get("Retry-After")), headers.get("Location")
        )

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _environ(self, request: Outgoing) -> dict[str, Any]:
        parts = self._parts
        environ = EnvironBuilder(
            path=parts.path or "/",
            base_url=f"{parts.scheme}://{parts.netloc}",
            query_string=parts.query,
            method=request.method,
            headers=list(request.headers.items()),
            data=request.body,
        ).get_environ()
        if request.manner is Manner.SLOW:
            environ["wsgi.input"] = io.BufferedReader(_Pieces(request.pieces()))
        return environ


class _Pieces(io.RawIOBase):
    """A body that arrives piece by piece."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._pieces:
            return 0
        time.sleep(PAUSE)
        piece = self._pieces.pop(0)
        part, rest = piece[: len(buffer)], piece[len(buffer) :]
        if rest:
            self._pieces.insert(0, rest)
        buffer[: len(part)] = part
        return len(part)
