"""Text from outside, made harmless where people read it: in logs and on terminals."""

from __future__ import annotations

import json
from traceback import TracebackException


def plain(text: str) -> str:
    """*text* with escapes, as in JSON, for what is no printable character.

    Control characters could end a line or steer a terminal, bidirectional ones (U+202E) turn
    around what stands beside them, and U+2028 begins a line for some programs.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def plain_traceback(error: BaseException) -> str | None:
    """The traceback of *error* with escapes, ``None`` if it needs none.

    What an exception says may have several lines, as a database's errors do.  All but the first
    are indented: none can pass for a line of the log.
    """
    parts = list(TracebackException.from_exception(error).format())
    escaped = [_plain_part(part) for part in parts]
    return None if escaped == parts else "".join(escaped).rstrip("\n")


def _plain_part(part: str) -> str:
    """Frames, which are indented anyway, or what an exception says."""
    text = part.strip("\n")
    begin = part.index(text)
    lines = [plain(line) for line in text.split("\n")]
    later = [f"  {line}" if line and not line.startswith(" ") else line for line in lines[1:]]
    return part[:begin] + "\n".join([lines[0], *later]) + part[begin + len(text) :]
