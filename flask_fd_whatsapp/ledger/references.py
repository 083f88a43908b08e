"""How text from outside is kept: what a database refuses in it, and references of any length."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

MAX_INDEXED: Final = 255
"""Characters that the indexed column takes."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable(text: str | None) -> str | None:
    """*text* with U+FFFD for what a database would refuse: NUL and lone surrogates."""
    return None if text is None else _UNSTORABLE.sub("\ufffd", text)


def is_storable(text: str | None) -> bool:
    """Whether a database takes *text*; no id holds what it does not."""
    return text is None or not _UNSTORABLE.search(text)


class KeptReference(NamedTuple):
    """An ``external_reference_id`` as it is kept, and looked for.

    :param key: what the indexed column holds: the reference, or its digest if it is longer.
    :param text: the whole of one that is longer, ``None`` for the others.
    """

    key: str
    text: str | None

    @classmethod
    def of(cls, reference: str) -> KeptReference:
        """The reference that a host gave, or that came with an event."""
        text = _UNSTORABLE.sub("\ufffd", reference)
        if len(text) <= MAX_INDEXED:
            return cls(text, None)
        return cls(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", text)
