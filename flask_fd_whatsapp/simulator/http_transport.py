"""Requests over HTTP, with urllib3."""

from __future__ import annotations

from ..exceptions import FreshdeskWhatsAppError
from .broken_transport import send_roughly
from .posts import Manner
from .transport import Answer, NoAnswer, Outgoing, seconds_in

try:
    import urllib3
    from urllib3 import exceptions as errors
except ImportError as error:
    raise FreshdeskWhatsAppError(
        "Posting over HTTP needs urllib3: pip install 'flask_fd_whatsapp[simulator]'"
    ) from error


class HTTPTransport:
    """Posts to a URL over a pool of connections.

    :param timeout: in real seconds, for connecting and for waiting for an answer.
    :param connections: the size of the pool.
    """

    def __init__(self, url: str, timeout: float, connections: int) -> None:
        self._url = url
        self._timeout = timeout
        self._pool = urllib3.PoolManager(
            maxsize=connections, timeout=urllib3.Timeout(connect=timeout, read=timeout)
        )

    def send(self, request: Outgoing) -> Answer:
        """Send a request and return its answer."""
        if request.manner is not Manner.PLAIN:
            return send_roughly(self._url, request, self._timeout)
        try:
            answer = self._pool.request(
                request.method,
                self._url,
                body=request.body,
                headers={**request.headers},
                retries=False,
                redirect=False,
            )
        except errors.NewConnectionError as error:  # in some versions a ConnectTimeoutError
            raise NoAnswer("unreachable", str(error.__cause__ or error)) from error
        except (errors.ConnectTimeoutError, errors.ReadTimeoutError) as error:
            raise NoAnswer("timeout", f"No answer within {self._timeout:g} s.") from error
        except errors.HTTPError as error:
            raise NoAnswer("broken", str(error)) from error
        return Answer(
            answer.status,
            seconds_in(answer.headers.get("Retry-After")),
            answer.headers.get("Location"),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()
