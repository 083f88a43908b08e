"""The headers of Freshdesk's form: how many it takes, their names and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from .setting_values import kind_of, without_kept_quotes

FORM_HEADERS: Final = 3
"""How many headers Freshdesk's form takes (vendor's page, "Webhook Setup")."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
"""A header name (RFC 9110, ``token``) without the underscore, which WSGI servers drop."""

_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def is_header_value(value: str) -> bool:
    """Whether *value* is visible ASCII without outer spaces, so that it arrives unchanged."""
    return _VALUE.fullmatch(value) is not None


def too_many_headers(prefix: str, *names: Sequence[str] | Mapping[str, Any]) -> str | None:
    """Return what to say if the form does not take that many headers, else ``None``.

    :param prefix: the prefix of the receiver's keys.
    """
    if sum(map(len, names)) <= FORM_HEADERS:
        return None
    return (
        f"{prefix}_HEADERS and {prefix}_DATA_HEADERS name more than {FORM_HEADERS} headers, but "
        "Freshdesk's form takes no more: the others have to be added on the way, by a gateway."
    )


def header_name(value: Any) -> str:
    """Check a header name that reaches a WSGI application."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        # A value may have slipped in ("Authorization: Bearer ..."): only a single word is shown.
        is_word = not isinstance(value, str) or re.fullmatch(r"[\w-]*", value)
        raise ValueError(
            f"{repr(value) if is_word else 'a text with spaces or punctuation'} is not a header "
            "name that reaches the application: use letters, digits and hyphens (WSGI servers "
            "drop names with an underscore)."
        )
    return value


def header_names(value: Any) -> tuple[str, ...]:
    """Check several header names; a single text is one name."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence):
        raise ValueError(f"has to be a list of header names, not {kind_of(value)}.")
    return _distinct(header_name(name) for name in names)


def headers(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Check header names, and the accepted values of each."""
    if not isinstance(value, Mapping):
        as_text = (
            """ In the environment write JSON: '{"Authorization": "Bearer <token>"}'."""
            if isinstance(value, str)
            else ""
        )
        raise ValueError(
            'has to be a mapping such as {"Authorization": "Bearer <token>"}, '
            f"not {kind_of(value)}.{as_text}"
        )
    _distinct(header_name(name) for name in value)
    return MappingProxyType({name: _header_values(name, entry) for name, entry in value.items()})


def _header_values(name: str, entry: Any) -> tuple[str, ...]:
    entries = entry if isinstance(entry, (list, tuple)) else [entry]
    if not entries:
        raise ValueError(f"{name} has no value: set it to the one entered in Freshdesk's form.")
    return tuple(_header_value(name, value) for value in entries)


def _header_value(name: str, value: Any) -> str:
    # Messages never show the value: it is a secret.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(
            f"the value of {name} is a number, but has to be text: quote it "
            "(in the environment too: '\"123\"')."
        )
    if not isinstance(value, str):
        raise ValueError(
            f"the value of {name} has to be text or a list of texts, not {kind_of(value)}."
        )
    try:
        without_kept_quotes(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not value:
        raise ValueError(
            f"the value of {name} is empty: set it to the one entered in Freshdesk's form."
        )
    if not is_header_value(value):
        raise ValueError(
            f"the value of {name} has to be visible ASCII without outer spaces: anything else does "
            "not arrive as entered."
        )
    return value


def _distinct(names: Any) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise ValueError(f"{name} is listed twice (header names are case-insensitive).")
        seen[name.lower()] = name
    return tuple(seen.values())
