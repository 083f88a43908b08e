"""The settings of the API client: the account's domain, its key and its WhatsApp number.

Each function returns the parsed value, or raises :class:`ValueError` with the mistake and the
remedy; no message repeats a key or a number.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from .setting_values import without_kept_quotes

_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*|\[[0-9a-fA-F:.]+\]")
_KEY: Final = re.compile(r"[!-9;-~]+")  # a colon would end the user name (RFC 7617)
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{3,14}")  # ITU-T E.164
_EXAMPLE: Final = "acme.freshdesk.com"


def is_loopback(host: str) -> bool:
    """Whether a host name denotes this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def api_domain(value: object) -> str:
    """Return the account's host, such as ``acme.freshdesk.com``; ``http://`` is for loopback only.

    A leading ``https://`` and a trailing slash, as copied from a browser, are removed.
    """
    if not isinstance(value, str):
        raise ValueError(f"has to be text such as {_EXAMPLE!r}, not {type(value).__name__}.")
    without_kept_quotes(value)
    scheme, separator, rest = value.rpartition("://")
    scheme, rest = scheme.lower(), rest.removesuffix("/")
    if scheme not in ("https", "http") and separator:
        raise ValueError(f"begins with a scheme other than https://: set it to {_EXAMPLE!r} alone.")
    host = _host_of(rest)
    if host is None:
        raise ValueError(
            f"is not a host: set it to the account's domain alone, such as {_EXAMPLE!r}."
        )
    if scheme == "http" and not is_loopback(host):
        raise ValueError(
            "begins with http://, over which anybody could read the key: http:// is allowed for "
            f"this machine only (127.0.0.1, localhost). Set it to {_EXAMPLE!r}."
        )
    return f"http://{rest.lower()}" if scheme == "http" else rest.lower()


def _host_of(place: str) -> str | None:
    """Return the host of ``host`` or ``host:port``; ``None`` for anything else."""
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    written = host if ":" not in host else f"[{host}]"
    with_port = written if port is None else f"{written}:{port}"
    return host if _HOST.fullmatch(written) and place.lower() == with_port else None


def api_key(value: object) -> str:
    """Check an API key as shown in an agent's profile."""
    if not isinstance(value, str):
        raise ValueError(f"has to be text, not a value of type {type(value).__name__}.")
    without_kept_quotes(value)
    if not value:
        raise ValueError("is empty: copy the API key from the agent's profile settings.")
    if not _KEY.fullmatch(value):
        raise ValueError("has to be visible ASCII without spaces or colons, as Freshdesk shows it.")
    return value


def phone_number(value: object) -> str:
    """Check a WhatsApp number, such as ``+4930123456``: the account's or a recipient's."""
    if not isinstance(value, str):
        raise ValueError(
            f'has to be text such as "+4930123456", not {type(value).__name__}: quote the number '
            "(in the environment too: '\"+4930123456\"')."
        )
    without_kept_quotes(value)
    if not _NUMBER.fullmatch(value):
        raise ValueError(
            'has to be a number such as "+4930123456": a plus sign, the country code and the rest '
            "in digits, without spaces, dashes or brackets."
        )
    return value
