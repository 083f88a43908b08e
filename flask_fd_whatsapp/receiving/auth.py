"""Authenticates requests: the configured headers are the only authentication Freshdesk offers."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

from ..log_fields import get_logger

logger = get_logger(__name__)

NOTE_SECONDS: Final = 60.0
NOTE_ALL_SECONDS: Final = 3600.0

CHALLENGE = 'Bearer realm="fd_whatsapp"'
"""``WWW-Authenticate`` of a 401; the realm is how ``check`` recognises this receiver."""


def environ_key(header: str) -> str:
    """Return the WSGI name of an HTTP header (PEP 3333)."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


class Authenticator:
    """Compares the configured headers with a request's, in constant time.

    :param headers: for each header name, the accepted values.
    :param note_use: called, at most once a minute, for each entry of a list of values that lets
        requests in, with the header's name and the entry's position, from 1.
    :param clock: a monotonic clock in seconds.
    :param notes_all: also report the only entry of a list, but once an hour.
    """

    def __init__(
        self,
        headers: Mapping[str, tuple[str, ...]],
        note_use: Callable[[str, int], None] = lambda header, position: None,
        clock: Callable[[], float] = time.monotonic,
        *,
        notes_all: bool = False,
    ) -> None:
        self._notes_all = notes_all
        self._expected = tuple(
            (name, environ_key(name), tuple(value.encode("ascii") for value in values))
            for name, values in headers.items()
        )
        self._note_use = note_use
        self._clock = clock
        self._noted_at: dict[tuple[str, int], float] = {}

    def accepts(self, environ: Mapping[str, object]) -> bool:
        """Whether every configured header is present with one of its values."""
        accepted = True
        used: list[tuple[str, int]] = []
        for name, key, values in self._expected:
            position = _position(environ.get(key, ""), values)
            if position is None:
                accepted = False
            elif len(values) > 1 or self._notes_all:
                used.append((name, position + 1))
        if accepted and used:
            self._note(used)
        return accepted

    def carries_none(self, environ: Mapping[str, object]) -> bool:
        """Whether none of the configured headers is present, right or wrong."""
        return not any(environ.get(key) for _, key, _ in self._expected)

    def explain(self, environ: Mapping[str, object]) -> str:
        """Say which of the configured headers are missing or wrong, without any value."""
        return ", ".join(
            f"{name} {'has a wrong value' if environ.get(key) else 'is missing'}"
            for name, key, values in self._expected
            if _position(environ.get(key, ""), values) is None
        )

    def _note(self, used: list[tuple[str, int]]) -> None:
        now = self._clock()
        seconds = NOTE_ALL_SECONDS if self._notes_all else NOTE_SECONDS
        for use in used:
            noted_at = self._noted_at.get(use)
            if noted_at is not None and now - noted_at < seconds:
                continue
            self._noted_at[use] = now
            if noted_at is None and use[1] > 1:
                logger.info(
                    "Header %s was accepted by entry %d of its list: the sender does not use "
                    "entry 1 yet.",
                    *use,
                )
            self._note_use(*use)


def _position(given: object, values: tuple[bytes, ...]) -> int | None:
    """Return which of *values* matched; all are compared, so that timing reveals nothing."""
    # Configured values are ASCII, so no other text can encode to one of them.
    text = str(given).encode("utf-8", "surrogatepass")
    position = None
    for index, value in enumerate(values):
        if hmac.compare_digest(text, value) and position is None:
            position = index
    return position
