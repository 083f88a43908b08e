"""The headers of Freshdesk's form: how many it takes, their names, and the values that arrive."""

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
    """Whether *value* is visible ASCII without spaces around it, and arrives as it was entered."""
    return _VALUE.fullmatch(value) is not None


def too_many_headers(prefix: str, *names: Sequence[str] | Mapping[str, Any]) -> str | None:
    """What to say of more headers than the form takes, ``None`` if it takes them.

    :param prefix: what the keys of the receiver begin with.
    """
    if sum(map(len, names)) <= FORM_HEADERS:
        return None
    return (
        f"{prefix}_HEADERS and {prefix}_DATA_HEADERS name more than {FORM_HEADERS} headers, and "
        "Freshdesk's form takes no more: the others have to be added on the way, by a gateway."
    )


def header_name(value: Any) -> str:
    """A header name that reaches a WSGI application."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        # A value may have slipped in ("Authorization: Bearer ..."): what is no word is not shown.
        is_word = not isinstance(value, str) or re.fullmatch(r"[\w-]*", value)
        raise ValueError(
            f"{repr(value) if is_word else 'a text with spaces or marks'} is no header name that "
            "arrives: use letters, digits and hyphens "
            "(WSGI servers drop names with an underscore)."
        )
    return value


def header_names(value: Any) -> tuple[str, ...]:
    """Several header names; a lone text is one name."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence):
        raise ValueError(f"has to be a list of header names, not {kind_of(value)}.")
    return _distinct(header_name(name) for name in names)


def headers(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Header names with the accepted values of each."""
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
        raise ValueError(f"{name} has no value: give the one entered in Freshdesk's form.")
    return tuple(_header_value(name, value) for value in entries)


def _header_value(name: str, value: Any) -> str:
    # Messages here never show the value: it is a secret.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(
            f"the value of {name} is a number where text is wanted: quote it "
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
        raise ValueError(f"the value of {name} is empty: give the one entered in Freshdesk's form.")
    if not is_header_value(value):
        raise ValueError(
            f"the value of {name} has to be visible ASCII without spaces around it: anything "
            "else does not arrive as it was entered."
        )
    return value


def _distinct(names: Any) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise ValueError(f"{name} stands there twice (header names have no case).")
        seen[name.lower()] = name
    return tuple(seen.values())
