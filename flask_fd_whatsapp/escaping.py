"""Text from outside, made harmless where people read it: in logs and on terminals."""

from __future__ import annotations

import json


def plain(text: str) -> str:
    """*text* with escapes, as in JSON, for what is no printable character.

    Control characters could end a line or steer a terminal, bidirectional ones (U+202E) turn
    around what stands beside them, and U+2028 begins a line for some programs.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
