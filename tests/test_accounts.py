from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flask_fd_whatsapp import Account, ConfigurationError
from flask_fd_whatsapp.accounts import _PARSERS
from flask_fd_whatsapp.settings import Settings

DOCUMENTED = Path(__file__).parents[1] / "docs" / "accounts.md"

HEADERS = {"Authorization": "Bearer s3cret-token"}


def test_account_is_read_as_settings_are() -> None:
    """Headers, ids and domain are accepted in the same forms as in settings."""
    account = Account(
        HEADERS, [7, "8"], name="Acme", retention_days=40, domain="https://Acme.freshdesk.com/"
    )
    assert account.headers == {"Authorization": ("Bearer s3cret-token",)}
    assert (account.account_ids, account.domain) == (frozenset({"7", "8"}), "acme.freshdesk.com")
    assert account == Account(
        HEADERS, ["8", "7"], name="Acme", retention_days=40, domain="acme.freshdesk.com"
    )


def test_every_field_is_checked_and_documented() -> None:
    """Every field but the display name has a parser, and the page lists all, in their order."""
    names = [item.name for item in fields(Account)]
    assert set(names) == {*_PARSERS, "name"}
    (listed,) = re.findall(r"`Account\(([^)]*)\)`", DOCUMENTED.read_text(encoding="utf-8"))
    assert re.findall(r"\w+(?=[,=]|$)", listed.replace("=None", "")) == names


def test_account_replaces_the_settings_of_the_same_names() -> None:
    """What an account says is used instead of what its receiver says."""
    account = Account(
        HEADERS,
        ["1"],
        retention_days=40,
        domain="a.freshdesk.com",
        api_key="the-key",
        sender="+4930123456",
    )
    of_receiver = Settings(headers={})
    its = account.settings(of_receiver)
    for name in _PARSERS:
        assert getattr(its, name) == getattr(account, name) != getattr(of_receiver, name), name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"headers": {}}, "headers is empty"),
        ({"headers": "Bearer s3cret-token"}, "headers has to be a mapping"),
        ({"account_ids": None}, "account_ids is None"),
        ({"account_ids": []}, "account_ids is empty"),
        ({"retention_days": 3}, "retention_days"),
        ({"api_key": "key"}, "api_key is set but domain is not"),
        (
            {"api_key": "key", "domain": "a.freshdesk.com", "account_ids": ["1", "2"]},
            "exactly one account",
        ),
    ],
)
def test_wrong_account_is_refused(changes: dict[str, Any], said: str) -> None:
    """A mistake is an error that names it, without the token."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        Account(**{"headers": HEADERS, "account_ids": ["1"], **changes})
    assert "s3cret-token" not in str(caught.value)


def test_account_shows_no_secret() -> None:
    """The repr has neither token nor key nor number."""
    account = Account(
        HEADERS, ["1"], domain="a.freshdesk.com", api_key="the-key", sender="+4930123456"
    )
    for secret in ("s3cret-token", "the-key", "+4930123456"):
        assert secret not in repr(account)
