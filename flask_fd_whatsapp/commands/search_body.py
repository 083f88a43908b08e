"""Finds an id or a reference in a body, which may be anything that was received."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from ..ledger.references import storable

_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_SHORT_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def contains_value(body: bytes, text: str, account_id: str | None) -> bool:
    """Whether *text* is one of the JSON values in *body*, however it is escaped.

    In a body that is not JSON, such as one that was cut off, it has to be a whole word.

    :param account_id: only in a body that is JSON, and of this account.
    """
    try:
        # Objects are lists of pairs, since a name may come twice; numbers are their text.
        parsed = json.loads(body, object_pairs_hook=list, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return account_id is None and _is_word_of(body.decode("utf-8", "replace"), text)
    if account_id is not None and not _is_of(parsed, account_id):
        return False
    kept = storable(text)
    return any(isinstance(one, str) and storable(one) == kept for one in _values(parsed))


def _is_of(parsed: Any, account_id: str) -> bool:
    return isinstance(parsed, list) and ("account_id", account_id) in parsed


def _values(parsed: Any) -> Iterator[Any]:
    rest = [parsed]
    while rest:
        part = rest.pop()
        if isinstance(part, list):
            rest += part
        elif isinstance(part, tuple):
            rest.append(part[1])
        else:
            yield part


def _is_word_of(body: str, text: str) -> bool:
    word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
    return any(word.search(written) for written in (body, _unescaped(body)))


def _unescaped(body: str) -> str:
    """*body* with JSON's escapes resolved."""
    units = _ESCAPE.sub(_character, body)
    # Two escapes that are a surrogate pair become one character.
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    code, short = escape.groups()
    return chr(int(code, 16)) if code else _SHORT_ESCAPES.get(short, short)
