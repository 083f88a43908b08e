"""Makes text from outside harmless where people read it: in logs and on terminals."""

from __future__ import annotations

import json
from traceback import TracebackException


def plain(text: str) -> str:
    """Return *text* with JSON escapes for characters that are not printable.

    Control characters could end a line or control a terminal, bidirectional ones (U+202E) reverse
    the text beside them, and U+2028 begins a line for some programs.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def short(text: str, most: int = 255) -> str:
    """Return *text* :func:`plain`, ending in an ellipsis if it has more characters than *most*.

    Codes and messages of failures, and references, may have any length.
    """
    return plain(text if len(text) <= most else text[: most - 1] + "…")


def quoted(text: object) -> str:
    """Return *text* in quotes and :func:`plain`, for a message.

    Its ``repr`` would double each backslash, those of the escapes included.
    """
    return f"'{plain(str(text))}'"


def plain_traceback(error: BaseException) -> str | None:
    """Return the traceback of *error* with escapes, ``None`` if it needs none.

    An exception's message may have several lines, as a database's errors do. All but the first are
    indented, so that none can pass for a line of the log.
    """
    parts = list(TracebackException.from_exception(error).format())
    escaped = [_plain_part(part) for part in parts]
    return None if escaped == parts else "".join(escaped).rstrip("\n")


def _plain_part(part: str) -> str:
    """Escape a part of a traceback: indented frames, or an exception's message."""
    text = part.strip("\n")
    begin = part.index(text)
    lines = [plain(line) for line in text.split("\n")]
    later = [f"  {line}" if line and not line.startswith(" ") else line for line in lines[1:]]
    return part[:begin] + "\n".join([lines[0], *later]) + part[begin + len(text) :]
