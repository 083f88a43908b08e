"""The URLs of ledgers, and what has to be installed for each."""

from __future__ import annotations

import re

import pytest

from flask_fd_whatsapp import ledger_urls

from .installed import OPTIONAL, Installed, installed

__all__ = ["installed"]  # a fixture


@pytest.mark.parametrize(
    ("url", "packages"),
    [
        ("memory://", ()),
        ("sqlite:///events.db", ("sqlalchemy", "alembic")),
        ("sqlite:////var/lib/events.db?timeout=5", ("sqlalchemy", "alembic")),
        ("postgresql+psycopg://u:p@db/events", ("sqlalchemy", "alembic", "psycopg")),
        ("mariadb+pymysql://u:p@db/events", ("sqlalchemy", "alembic", "pymysql")),
        ("mariadb+pymysql://u:p%40s@db/a@b?c=@", ("sqlalchemy", "alembic", "pymysql")),
        ("sqlite:////srv/a@b@c/events.db", ("sqlalchemy", "alembic")),
    ],
)
def test_ledger_urls_of_what_is_installed(
    url: str, packages: tuple[str, ...], installed: Installed
) -> None:
    """A ledger's URL is accepted unchanged with exactly the packages it needs."""
    installed(*packages)
    assert ledger_urls.ledger_url(url) == url


@pytest.mark.parametrize(
    ("url", "present", "missing", "extra"),
    [
        ("sqlite:///x.db", (), "sqlalchemy and alembic", "sql"),
        ("sqlite:///x.db", ("sqlalchemy",), "alembic", "sql"),
        ("postgresql+psycopg://u:s3cret@db/x", ("sqlalchemy", "alembic"), "psycopg", "postgresql"),
        ("mariadb+pymysql://u:s3cret@db/x", ("sqlalchemy", "alembic"), "pymysql", "mariadb"),
    ],
)
def test_ledger_urls_of_what_is_not_installed(
    url: str, present: tuple[str, ...], missing: str, extra: str, installed: Installed
) -> None:
    """A ledger whose package is missing names it, and the extra that installs it."""
    installed(*present)
    with pytest.raises(ValueError, match=re.escape(f"needs {missing}: install")) as caught:
        ledger_urls.ledger_url(url)
    assert str(caught.value).endswith(f"install flask_fd_whatsapp[{extra}].")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["Memory://", "memory:", "memory:///", "sqlite:x.db", "sqlite+aiosqlite:///x", "://", "x"],
)
def test_unknown_ledger_urls(url: str, installed: Installed) -> None:
    """A URL of another scheme is refused, whatever is installed, with those that are known."""
    installed(*OPTIONAL)
    with pytest.raises(ValueError, match=r"write one of memory://, sqlite://\.\.\."):
        ledger_urls.ledger_url(url)
