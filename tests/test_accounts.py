from __future__ import annotations

from typing import Any

import pytest

from flask_fd_whatsapp import Account, ConfigurationError

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
