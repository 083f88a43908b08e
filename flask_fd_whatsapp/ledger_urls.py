"""The URL of a ledger: which are known, and what has to be installed for them."""

from __future__ import annotations

import re
from typing import Any, Final

from .setting_values import kind_of, require_installed

MEMORY_URL: Final = "memory://"

# As SQLAlchemy takes a URL apart, which is imported only when it is needed.
_SERVER: Final = re.compile(r"(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?]+\]|[^/:?]*)(?::(?P<port>[^/?]*))?")

_DRIVERS: Final = {
    "sqlite": ("sql", ("sqlalchemy", "alembic")),
    "postgresql+psycopg": ("postgresql", ("sqlalchemy", "alembic", "psycopg")),
    "mariadb+pymysql": ("mariadb", ("sqlalchemy", "alembic", "pymysql")),
}

_MEANT: Final = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mariadb+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""What to write for a scheme as hosting services give it, or with another driver."""


def forgets(key: str) -> str:
    """What to say of a ledger in memory.

    :param key: the one to set to a database.
    """
    return (
        "The ledger is in memory: what was received is forgotten when the process ends, and known "
        f"to no other. Set {key} to a database."
    )


def ledger_url(value: Any) -> str:
    """``memory://`` or the URL of a database whose driver is installed."""
    known = ", ".join(["memory://", *(f"{scheme}://..." for scheme in _DRIVERS)])
    if not isinstance(value, str):
        raise ValueError(f"has to be text, one of {known}; not {kind_of(value)}.")
    # Messages here never show the URL: it may hold a password.
    scheme, separator, rest = value.partition("://")
    if scheme == "memory" and separator and not rest:
        return value
    if scheme not in _DRIVERS or not separator:
        server = scheme.partition("+")[0].lower()
        if separator and (meant := _MEANT.get(server)):
            raise ValueError(
                f"is of {server} and does not name a driver that is known here: write {meant}:// "
                "in place of what is before the host, the rest as it is."
            )
        raise ValueError(f"is no URL that is known here: write one of {known}.")
    place = rest.partition("/")[0]
    if place.count("@") > 1:
        raise ValueError("has more than one @: write the one in the password as %40.")
    if scheme != "sqlite" and "," in place.rpartition("@")[2]:
        raise ValueError(
            "has several hosts before the path, as libpq takes them: write them in the query, "
            f"{scheme}://<user>:<password>@/<database>?host=<one>:5432&host=<other>:5432."
            if scheme.startswith("postgresql")
            else "has several hosts, of which the driver takes one: write that of the server that "
            "takes writes, or of a proxy in front of them."
        )
    taken_apart = _SERVER.match(rest)
    port = taken_apart["port"] if taken_apart and scheme != "sqlite" else None
    if port is not None and not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError(
            "has a port that is no number: write what comes after the host's colon as a number, "
            "and special characters of user and password as %-codes (: as %3A, / as %2F, @ as %40)."
        )
    if scheme == "sqlite" and rest.partition("?")[0] in ("", "/", "/:memory:"):
        raise ValueError("names no file: write sqlite:///<path>, or memory:// for no file at all.")
    extra, modules = _DRIVERS[scheme]
    require_installed(f"{scheme}://", extra, modules)
    return value
