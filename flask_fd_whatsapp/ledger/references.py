"""How text from outside is stored: characters that databases reject, and references of any
length."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

MAX_INDEXED: Final = 255
"""The maximum number of characters in the indexed column."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable(text: str | None) -> str | None:
    """Return *text* with U+FFFD for what databases reject: NUL and lone surrogates."""
    if text is None or text.isprintable():  # none of them is printable
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def is_storable(text: str | None) -> bool:
    """Whether databases accept *text*; an id with other characters cannot exist."""
    return text is None or not _UNSTORABLE.search(text)


class KeptReference(NamedTuple):
    """An ``external_reference_id`` as it is stored and searched for.

    :param key: the value of the indexed column: the reference, or its digest if it is longer.
    :param text: the whole reference if it is longer, else ``None``.
    """

    key: str
    text: str | None

    @classmethod
    def of(cls, reference: str) -> KeptReference:
        """Convert a reference from a host or an event."""
        text = _UNSTORABLE.sub("\ufffd", reference)
        if len(text) <= MAX_INDEXED:
            return cls(text, None)
        return cls(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", text)
