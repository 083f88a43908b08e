"""The protocol of what carries a request to the receiver, with requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..exceptions import FreshdeskWhatsAppError
from .posts import Manner

PIECES = 8
PAUSE = 0.02
"""A slow sender's body: the number of pieces, and the real seconds between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request; its headers are secret."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""
    method: str = "POST"
    manner: Manner = Manner.PLAIN

    def pieces(self) -> list[bytes]:
        """The body in pieces, as a slow sender sends it."""
        size = len(self.body) // PIECES + 1
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request.

    :param retry_after: seconds, if the answer says so.
    :param location: the target of a redirect.
    """

    status: int
    retry_after: float | None = None
    location: str | None = None

    @property
    def redirects_to(self) -> str | None:
        """The target of a redirect, which is not followed."""
        return self.location if 300 <= self.status < 400 else None

    @property
    def is_success(self) -> bool:
        """Whether the post is acknowledged."""
        return 200 <= self.status < 300


class NoAnswer(FreshdeskWhatsAppError):
    """No answer arrived, or the connection was cut.

    :param kind: ``timeout``, ``unreachable``, ``broken`` or ``cut``.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Transport(Protocol):
    """Carries requests to one URL; used by several threads at once."""

    def send(self, request: Outgoing) -> Answer:
        """Send a request and return its answer.

        :raises NoAnswer: if there is none.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def seconds_in(retry_after: str | None) -> float | None:
    """Parse a ``Retry-After`` in seconds; ``None`` if there is none, or it is a date."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
