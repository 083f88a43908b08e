"""Who may post: the configured headers are the only authentication Freshdesk offers."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="fd_whatsapp"'
"""``WWW-Authenticate`` of a 401; the realm is how ``check`` recognises this receiver."""


def environ_key(header: str) -> str:
    """The WSGI name of an HTTP header (PEP 3333)."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


class Authenticator:
    """Compares the configured headers with a request's, in constant time.

    :param headers: header names and, for each, the values of which any one is accepted.
    """

    def __init__(self, headers: Mapping[str, tuple[str, ...]]) -> None:
        self._expected = tuple(
            (name, environ_key(name), tuple(value.encode("ascii") for value in values))
            for name, values in headers.items()
        )
        self._old_entries_seen: set[tuple[str, int]] = set()

    def accepts(self, environ: Mapping[str, object]) -> bool:
        """Whether every configured header is there with one of its values."""
        accepted = True
        old: list[tuple[str, int]] = []
        for name, key, values in self._expected:
            position = _position(environ.get(key, ""), values)
            if position is None:
                accepted = False
            elif position:
                old.append((name, position))
        if accepted:
            for name, position in old:
                self._note_old_entry(name, position)
        return accepted

    def explain(self, environ: Mapping[str, object]) -> str:
        """Which of the configured headers are missing or wrong, without any value."""
        return ", ".join(
            f"{name} {'has a wrong value' if environ.get(key) else 'is missing'}"
            for name, key, values in self._expected
            if _position(environ.get(key, ""), values) is None
        )

    def _note_old_entry(self, name: str, position: int) -> None:
        if (name, position) not in self._old_entries_seen:
            self._old_entries_seen.add((name, position))
            logger.info(
                "Header %s was accepted by entry %d of its list: the sender does not use "
                "entry 1 yet.",
                name,
                position + 1,
            )


def _position(given: object, values: tuple[bytes, ...]) -> int | None:
    """Which of *values* was given; all are compared, so that the time it takes tells nothing."""
    # Configured values are ASCII, so that no other text can encode to one of them.
    text = str(given).encode("utf-8", "surrogatepass")
    position = None
    for index, value in enumerate(values):
        if hmac.compare_digest(text, value) and position is None:
            position = index
    return position
