"""Checks that the API's account is the one whose webhooks are received."""

from __future__ import annotations

from typing import Final

from ..receiving.receiver import Receiver

_ACCOUNT: Final = "account"


def account_problem(receiver: Receiver) -> str | None:
    """Return what is wrong if the receiver's last webhook names another account, else ``None``.

    API responses do not name the account, and a wrong one would record every message twice.

    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    settings = receiver.settings
    if settings.api_key is None or settings.account_ids is None or receiver.account is not None:
        return None  # with many accounts each has its own headers, and its ids are compared with
    ledger = receiver.ledger
    (account_id,) = settings.account_ids
    last = ledger.asking.last_webhook(receiver=receiver.name)
    remedy = (
        f"{receiver.prefix}_API_KEY, {receiver.prefix}_DOMAIN and {receiver.prefix}_ACCOUNT_IDS "
        "have to belong to one account."
    )
    rejections = ledger.rejections.last(receiver=receiver.name)
    refused = [one for one in rejections if one.reason == _ACCOUNT and not one.is_acknowledged]
    if refused and (last is None or refused[0].last_seen > last[1]):
        return f"The last webhook came from an account other than {account_id}. {remedy}"
    if last is not None and last[0] != account_id:
        return (
            f"The last webhook came from account {last[0]}, but the API is called for "
            f"{account_id}. {remedy}"
        )
    return None
