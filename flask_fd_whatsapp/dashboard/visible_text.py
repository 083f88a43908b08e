"""Untrusted text for a page: escaped, with invisible characters made visible."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from markupsafe import Markup, escape

CUT: Final = 80
"""The number of characters of a text that a table shows."""

_NAMES: Final = {
    "\x00": "null",
    "\x07": "bell",
    "\x08": "backspace",
    "\x1b": "escape",
    "\x7f": "delete",
    "\u00ad": "soft hyphen",
    "\ufeff": "byte order mark",
}

_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})

_SPACES: Final = re.compile("[\t\n\r]+")

# No language has four marks on one letter; a hundred would cover the lines above.
_STACKED: Final = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    r"\ufe20-\ufe2f]{3})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff"
    r"\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def is_unseen(char: str) -> bool:
    """Whether *char* is invisible, or reverses the text next to it."""
    return unicodedata.category(char) in _UNSEEN or unicodedata.category(char) == "Cn"


def visible(text: object, *, cut: int | None = CUT, lines: bool = False) -> Markup:
    """*text* in a ``bdi``, each invisible character as a ``span`` with its number.

    :param cut: characters after which it ends in an ellipsis; its ``title`` is then the whole.
    :param lines: whether to keep line breaks and tabs.
    """
    whole = str(text)
    shown = whole if lines else _SPACES.sub(" ", whole)
    title = Markup("")
    if cut is not None and len(shown) > cut:
        title = Markup(' title="{}"').format(seen(shown[:1000]))
        shown = shown[: cut - 1] + "…"
    return Markup("<bdi{}>{}</bdi>").format(title, marked(shown, lines=lines))


def marked(text: str, *, lines: bool = False) -> Markup:
    """*text* escaped, without the ``bdi``."""
    text = _STACKED.sub(r"\1", text)
    if text.isprintable():
        return escape(text)
    kept = "\n\t" if lines else ""
    return Markup("").join(
        _sign(char) if char not in kept and is_unseen(char) else escape(char) for char in text
    )


def seen(text: str) -> str:
    """*text* for an attribute, with invisible characters as in ``[U+202E]``."""
    text = _STACKED.sub(r"\1", text)
    if text.isprintable():
        return text
    return "".join(f"[{_number(char)}]" if is_unseen(char) else char for char in text)


def harmless(value: Any) -> Any:
    """Return *value*; if it is text that is not escaped yet, as :func:`seen`, with its lines.

    For everything that a template outputs, so that nothing can be forgotten.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(char if char in "\n\t" else seen(char) for char in value)


def exact(text: object) -> Markup:
    """Escape *text* for an input's value, so that it round-trips: invisible characters as
    references.

    Control characters stay, since HTML has no references for all of them; they reverse nothing.
    """
    return Markup("").join(
        Markup("&#x{:X};").format(ord(char))
        if is_unseen(char) and unicodedata.category(char) != "Cc"
        else escape(char)
        for char in str(text)
    )


def _number(char: str) -> str:
    return f"U+{ord(char):04X}"


def _sign(char: str) -> Markup:
    name = _NAMES.get(char) or unicodedata.name(char, "").lower()
    said = f"{_number(char)} {name}".rstrip()
    return Markup('<span class="ctl">{}</span>').format(said)
