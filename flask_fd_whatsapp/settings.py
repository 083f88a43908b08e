"""Every ``FD_WHATSAPP_*`` key, read and checked once, at registration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from . import api_settings
from . import setting_values as values
from .campaigns import CampaignOf, guarded
from .exceptions import ConfigurationError
from .failure_reasons import FailureClass
from .header_values import header_names, headers, too_many_headers
from .ledger_urls import MEMORY_URL, ledger_url
from .log_fields import get_logger

logger = get_logger(__name__)

MIN_RETENTION_DAYS: Final = 37

MAX_BODY_BYTES: Final = 8 * 2**20
"""MariaDB accepts packets of 16 MiB by default, in which a body's quotes are escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one receiver.

    :param headers: the accepted values by header name; never part of the ``repr``.
    :param data_headers: names of headers that are kept with the event.
    :param account_ids: the accounts whose events are accepted, ``None`` for all.
    :param max_body_bytes: the largest body that is read.
    :param ledger_url: ``memory://`` or an SQLAlchemy URL; never part of the ``repr``.
    :param campaign: extracts the campaign from an ``external_reference_id``.
    :param dispatch: ``inline``, ``deferred`` or ``celery``.
    :param reject_invalid: whether an unusable body is answered with an error; ``None`` for: unless
        the ledger is durable.
    :param lease_seconds: after this, the message of a dead process can be claimed by another.
    :param max_attempts: failed attempts before an event is dead.
    :param give_up_after: seconds after an event was recorded, or last revived, after which an
        attempt that leaves it unfinished makes it dead.
    :param handler_seconds: when a running handler is reported as hanging, ``None`` for never.
    :param failure_classes: the host's own classes of error codes, by code in upper case.
    :param aggregate_years: how long the daily aggregates of pruned messages are kept.
    :param time_zone: the name of the time zone of these days.
    :param domain: the account's domain in Freshdesk, for its API.
    :param api_key: an agent's key for the API; never part of the ``repr``.
    :param sender: the account's WhatsApp number; never part of the ``repr``.
    :param store_actors: whether agents' names are stored, and passed to handlers.
    :param calls_a_minute: the API calls of all processes together.
    :param quarantine_max: how many entries the quarantine keeps.
    :param retention_days: how long ``prune`` keeps messages.
    """

    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    allow_unauthenticated: bool = False
    data_headers: tuple[str, ...] = ()
    account_ids: frozenset[str] | None = None
    max_body_bytes: int = 65536
    ledger_url: str = field(default=MEMORY_URL, repr=False)
    campaign: CampaignOf | None = None
    dispatch: str = "inline"
    reject_invalid: bool | None = None
    lease_seconds: float = 60
    max_attempts: int = 20
    give_up_after: float = 7 * 86_400
    handler_seconds: float | None = 300
    failure_classes: Mapping[str, FailureClass] = field(default_factory=dict)
    aggregate_years: int = 5
    time_zone: str = "UTC"
    domain: str | None = None
    api_key: str | None = field(default=None, repr=False)
    sender: str | None = field(default=None, repr=False)
    store_actors: bool = True
    calls_a_minute: int = 600
    quarantine_max: int = 10_000
    retention_days: int = 90

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], prefix: str, *, has_accounts: bool = False
    ) -> Settings:
        """Read the keys with *prefix* from *config*.

        :param has_accounts: whether there are many accounts, each with its own headers and ids.
        :raises ConfigurationError: for a wrong or unknown key, with the remedy.
        """
        _refuse_unknown(config, prefix)
        if has_accounts:
            _refuse_of_one_account(config, prefix)
        given: dict[str, Any] = {"headers": MappingProxyType({})}
        for name, parse in _PARSERS.items():
            key = f"{prefix}_{name}"
            if key in config:
                try:
                    if name != "CAMPAIGN":  # which sees to it itself: a pattern may have quotes
                        values.without_kept_quotes(config[key])
                    given[name.lower()] = parse(config[key])
                except ValueError as error:
                    raise ConfigurationError(f"{key}: {error}") from None
        campaign_of = given.get("campaign")
        if campaign_of is not None:
            given["campaign"] = guarded(campaign_of, f"{prefix}_CAMPAIGN")
        settings = cls(**given)
        settings._check_together(prefix, has_accounts=has_accounts)
        return settings

    def rejects_invalid(self, *, is_durable: bool) -> bool:
        """Whether an unusable body is answered with an error.

        :param is_durable: whether the ledger is durable, and keeps the body.
        """
        return not is_durable if self.reject_invalid is None else self.reject_invalid

    def _check_together(self, prefix: str, *, has_accounts: bool) -> None:
        if not (self.headers or self.allow_unauthenticated or has_accounts):
            raise ConfigurationError(
                f"{prefix}_HEADERS is not set, and without it anybody could post events. Set it to "
                'the headers of Freshdesk\'s form, such as {"Authorization": "Bearer <token>"} '
                "(`python -m flask_fd_whatsapp setup --url https://<host>/freshdesk/whatsapp` "
                "generates a token and says where to enter it), or set "
                f"{prefix}_ALLOW_UNAUTHENTICATED = True if something in front of this application "
                "authenticates requests."
            )
        self._check_api(prefix)
        secret = {name.lower() for name in self.headers}
        for name in self.data_headers:
            if name.lower() in secret:
                raise ConfigurationError(
                    f"{prefix}_DATA_HEADERS: {name} is also in {prefix}_HEADERS, whose values are "
                    "secret and never stored. Remove it from one of them."
                )
        too_many = too_many_headers(prefix, self.headers, self.data_headers)
        if too_many is not None:
            logger.warning("%s", too_many)

    def _check_api(self, prefix: str) -> None:
        if self.api_key is None:
            return
        if self.domain is None:
            raise ConfigurationError(
                f"{prefix}_API_KEY is set but {prefix}_DOMAIN is not: set it to the account's "
                'domain, such as "acme.freshdesk.com".'
            )
        if self.account_ids is None or len(self.account_ids) != 1:
            raise ConfigurationError(
                f"{prefix}_API_KEY needs {prefix}_ACCOUNT_IDS with exactly one account: API "
                "responses do not name the account, and a wrong id would record every message "
                "twice. Set it to the account_id of the webhook's payloads."
            )


retention_days: Final = values.whole_number(
    minimum=MIN_RETENTION_DAYS,
    maximum=36_500,
    because="a late DELIVERED may arrive after 30 days and WhatsApp retries for 7; if messages "
    "were pruned earlier, a duplicate would pass as new",
)
"""Parses how long ``prune`` keeps messages."""

OF_ONE_ACCOUNT: Final = ("HEADERS", "ACCOUNT_IDS", "DOMAIN", "API_KEY", "SENDER")
"""The keys that belong to each account, if there are many."""

_PARSERS: Final = {
    "HEADERS": headers,
    "DATA_HEADERS": header_names,
    "ALLOW_UNAUTHENTICATED": values.boolean,
    "ACCOUNT_IDS": values.account_ids,
    "MAX_BODY_BYTES": values.whole_number(minimum=1, maximum=MAX_BODY_BYTES),
    "LEDGER_URL": ledger_url,
    "CAMPAIGN": values.campaign,
    "DISPATCH": values.dispatch,
    "REJECT_INVALID": values.boolean_or_none,
    "LEASE_SECONDS": values.seconds,
    "MAX_ATTEMPTS": values.whole_number(minimum=1, maximum=1_000_000),
    "GIVE_UP_AFTER": values.long_duration,
    "HANDLER_SECONDS": values.seconds_or_none,
    "FAILURE_CLASSES": values.failure_classes,
    "AGGREGATE_YEARS": values.whole_number(minimum=1, maximum=100),
    "TIME_ZONE": values.time_zone,
    "DOMAIN": values.or_none(api_settings.api_domain),
    "API_KEY": values.or_none(api_settings.api_key),
    "SENDER": values.or_none(api_settings.phone_number),
    "STORE_ACTORS": values.boolean,
    "CALLS_A_MINUTE": values.whole_number(minimum=1, maximum=1_000_000),
    "QUARANTINE_MAX": values.whole_number(minimum=1, maximum=1_000_000_000),
    "RETENTION_DAYS": retention_days,
}

KNOWN_KEYS: Final = tuple(_PARSERS)


def _refuse_of_one_account(config: Mapping[str, Any], prefix: str) -> None:
    for name in (*OF_ONE_ACCOUNT, "ALLOW_UNAUTHENTICATED"):
        if config.get(f"{prefix}_{name}"):
            raise ConfigurationError(
                f"{prefix}_{name} is set together with accounts=: with accounts it belongs to each "
                f"Account. Remove {prefix}_{name}."
            )


def _refuse_unknown(config: Mapping[str, Any], prefix: str) -> None:
    known = [f"{prefix}_{name}" for name in KNOWN_KEYS]
    for key in config:
        if not key.startswith(f"{prefix}_") or key in known:
            continue
        name = key.removeprefix(f"{prefix}_")
        if name[:1] != "_" and any(name.endswith(f"_{other}") for other in KNOWN_KEYS):
            continue  # another receiver's, whose prefix begins with this one
        nearest = f"{prefix}_{difflib.get_close_matches(name, KNOWN_KEYS, n=1, cutoff=0)[0]}"
        raise ConfigurationError(
            f"{key} is not a known setting. Did you mean {nearest}? (Known are {', '.join(known)}.)"
        )
