"""The URL of a ledger: the known schemes, and what has to be installed for them."""

from __future__ import annotations

import re
from typing import Any, Final

from .setting_values import kind_of, require_installed

MEMORY_URL: Final = "memory://"

# Parsed like SQLAlchemy does, which is imported only when it is needed.
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
"""What to write for a scheme as hosting services provide it, or with another driver."""


def forgets(key: str) -> str:
    """Return the warning about a ledger in memory.

    :param key: the key to set to a database.
    """
    return (
        "The ledger is in memory: received events are lost when the process ends, and not visible "
        f"to other processes. Set {key} to a database."
    )


def ledger_url(value: Any) -> str:
    """Check ``memory://`` or the URL of a database whose driver is installed."""
    known = ", ".join(["memory://", *(f"{scheme}://..." for scheme in _DRIVERS)])
    if not isinstance(value, str):
        raise ValueError(f"has to be text, one of {known}; not {kind_of(value)}.")
    # Messages never show the URL: it may contain a password.
    scheme, separator, rest = value.partition("://")
    if scheme == "memory" and separator and not rest:
        return value
    if scheme not in _DRIVERS or not separator:
        server = scheme.partition("+")[0].lower()
        if separator and (meant := _MEANT.get(server)):
            raise ValueError(
                f"is of {server} and does not name a supported driver: write {meant}:// in place "
                "of what is before the host, and keep the rest."
            )
        raise ValueError(f"is not a supported URL: write one of {known}.")
    place = rest.partition("/")[0]
    if place.count("@") > 1:
        raise ValueError("has more than one @: write an @ in the password as %40.")
    if scheme != "sqlite" and "," in place.rpartition("@")[2]:
        raise ValueError(
            "has several hosts before the path, as libpq accepts them: write them in the query, "
            f"{scheme}://<user>:<password>@/<database>?host=<one>:5432&host=<other>:5432."
            if scheme.startswith("postgresql")
            else "has several hosts, but the driver accepts one: write the server that accepts "
            "writes, or a proxy in front of them."
        )
    taken_apart = _SERVER.match(rest)
    port = taken_apart["port"] if taken_apart and scheme != "sqlite" else None
    if port is not None and not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError(
            "has a port that is not a number: write what comes after the host's colon as a "
            "number, and special characters in user and password as %-codes (: as %3A, / as %2F, "
            "@ as %40)."
        )
    if scheme == "sqlite" and rest.partition("?")[0] in ("", "/", "/:memory:"):
        raise ValueError("names no file: write sqlite:///<path>, or memory:// for no file.")
    extra, modules = _DRIVERS[scheme]
    require_installed(f"{scheme}://", extra, modules)
    return value
