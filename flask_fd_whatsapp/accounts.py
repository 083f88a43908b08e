"""One of many Freshdesk accounts whose webhooks are posted to one receiver."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import Any, Final

from . import api_settings
from . import setting_values as values
from .exceptions import ConfigurationError
from .header_values import headers
from .settings import Settings, retention_days

MOST_CHARACTERS: Final = 100
"""The maximum length of an account's key."""

KEY: Final = re.compile(f"[^/]{{1,{MOST_CHARACTERS}}}")


@dataclass(frozen=True, slots=True, eq=True)
class Account:
    """A Freshdesk account, as ``FreshdeskWhatsApp(accounts=...)`` returns for a key.

    :param headers: like ``FD_WHATSAPP_HEADERS``; never part of the ``repr``.
    :param account_ids: the ids of the accounts whose events this webhook may post.
    :param name: a display name, for the commands.
    :param retention_days: how long ``prune`` keeps its messages, instead of the receiver's value.
    :param domain: like ``FD_WHATSAPP_DOMAIN``.
    :param api_key: like ``FD_WHATSAPP_API_KEY``; never part of the ``repr``.
    :param sender: like ``FD_WHATSAPP_SENDER``; never part of the ``repr``.
    :raises ConfigurationError: for a wrong value, with the remedy.
    """

    headers: Mapping[str, Any] = field(repr=False)
    account_ids: Iterable[str | int]
    _: KW_ONLY
    name: str | None = None
    retention_days: int | None = None
    domain: str | None = None
    api_key: str | None = field(default=None, repr=False)
    sender: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            parse = _PARSERS.get(item.name)
            if parse is not None:
                try:
                    object.__setattr__(self, item.name, parse(getattr(self, item.name)))
                except ValueError as error:
                    raise ConfigurationError(f"Account: {item.name} {error}") from None
        if self.api_key is not None and self.domain is None:
            raise ConfigurationError(
                "Account: api_key is set but domain is not: set it, for example to "
                '"acme.freshdesk.com".'
            )
        if self.api_key is not None and len(frozenset(self.account_ids)) != 1:
            raise ConfigurationError(
                "Account: api_key needs account_ids to list exactly one account: API responses do "
                "not name the account, and a wrong id would record every message twice."
            )

    def settings(self, of_receiver: Settings) -> Settings:
        """Return the receiver's settings, overridden by the account's own."""
        return replace(
            of_receiver,
            headers=self.headers,
            account_ids=frozenset(map(str, self.account_ids)),
            retention_days=self.retention_days or of_receiver.retention_days,
            domain=self.domain,
            api_key=self.api_key,
            sender=self.sender,
        )


Accounts = Mapping[str, Account] | Callable[[str], Account | None]
"""The accounts by key, or a callable that returns the account for a key."""


def require_accounts(accounts: Mapping[Any, Any]) -> None:
    """Check the keys and values of a mapping.

    :raises ConfigurationError: for a key that cannot be in a URL, or a value that is not an
        :class:`Account`.
    """
    for key, account in accounts.items():
        if not isinstance(key, str) or not KEY.fullmatch(key) or not key.isprintable():
            raise ConfigurationError(
                f"accounts: the key {key!r} cannot be part of a URL: use up to {MOST_CHARACTERS} "
                "printable characters without a slash."
            )
        if not isinstance(account, Account):
            raise ConfigurationError(
                f"accounts: {key!r} has to be an Account, not {type(account).__name__}."
            )


def _headers(value: Any) -> Mapping[str, tuple[str, ...]]:
    given = headers(value)
    if not given:
        raise ValueError("is empty, and without it anybody could post events.")
    return given


def _account_ids(value: Any) -> frozenset[str]:
    ids = values.account_ids(value)
    if ids is None:
        raise ValueError("is None: list the account_id of the webhook's payloads.")
    return ids


_PARSERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "headers": _headers,
    "account_ids": _account_ids,
    "retention_days": values.or_none(retention_days),
    "domain": values.or_none(api_settings.api_domain),
    "api_key": values.or_none(api_settings.api_key),
    "sender": values.or_none(api_settings.phone_number),
}
