"""Keeps secrets out of what the commands print and the pages show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final
from urllib.parse import unquote

from ..receiving.receiver import Receiver

MASK: Final = "********"

SHORTEST: Final = 4
"""Shorter secrets protect nothing; masked, they would make any text unreadable."""

UNLIKELY: Final = 8
"""Secrets of at least this length are in no text by chance."""

_URL: Final = re.compile(
    r"(?P<scheme>[\w+.-]+)://(?:(?P<user>[^:/?@]*)(?P<password>:[^@?]*)?@)?"
    r"(?P<place>[^@?]*)(?:\?(?P<query>[^@]*))?"
)

_HOST: Final = re.compile(r"(?:host|port|unix_socket)=[\w.:,/%\[\]-]*")


def masked_url(url: str) -> str:
    """Return a database URL without its password, and with only the hosts of its query.

    If the password cannot be told from the rest (an ``@`` or a ``?`` in it), only the scheme is
    left.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return f"{url.partition('://')[0]}://{MASK}"
    scheme, user, password, place, query = match.group(
        "scheme", "user", "password", "place", "query"
    )
    credentials = "" if user is None else f"{user}{f':{MASK}' if password else ''}@"
    pairs = (query or "").split("&")
    hosts = "&".join(pair for pair in pairs if _HOST.fullmatch(pair))
    return f"{scheme}://{credentials}{place}{hosts and '?'}{hosts}"


def masked_settings(receiver: Receiver) -> dict[str, Any]:
    """Return the settings by key, without the values of headers and the ledger's password."""
    settings = receiver.settings
    shown: dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name == "headers":
            value = {header: [MASK] * len(values) for header, values in value.items()}
        elif item.name in ("api_key", "sender") and value is not None:
            value = MASK
        elif item.name == "ledger_url":
            value = masked_url(settings.ledger_url)
        elif item.name == "account_ids" and value is not None:
            value = sorted(value)
        elif item.name == "campaign" and value is not None:
            value = "set"
        shown[f"{receiver.prefix}_{item.name.upper()}"] = value
    return shown


def without_secrets(text: str, receivers: Iterable[Receiver]) -> str:
    """Return *text*, which may contain any error's message, without the settings' secrets."""
    for receiver in receivers:
        url = receiver.settings.ledger_url
        text = text.replace(url, masked_url(url))
        credentials = url.partition("://")[2].rpartition("@")[0]
        password = credentials.partition(":")[2]
        headers = [value for values in receiver.settings.headers.values() for value in values]
        of_api = [one for one in (receiver.settings.api_key, receiver.settings.sender) if one]
        # The longest first: one may be part of another, and none of that may be left.
        for secret in sorted(
            {password, unquote(password), *headers, *of_api}, key=len, reverse=True
        ):
            text = _pattern(secret).sub(MASK, text) if len(secret) >= SHORTEST else text
    return text


def _pattern(secret: str) -> re.Pattern[str]:
    """Matches *secret*; if it could be part of a word, only where it is not."""
    found = re.escape(secret)
    return re.compile(found if len(secret) >= UNLIKELY else rf"(?<!\w){found}(?!\w)")
