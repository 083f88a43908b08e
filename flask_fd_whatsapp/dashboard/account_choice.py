"""The accounts to choose from, with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..receiving.account_lookup import AccountsUnavailable
from .visit import Visit

SECONDS: Final = 3600.0
"""How long the accounts are cached: finding them scans all messages."""

NAMES_SECONDS: Final = 600.0
"""How long their names are cached: a callable is called for each account."""


def accounts(visit: Visit) -> list[tuple[str, str]]:
    """Ids and labels of the accounts to choose from, where there are several."""
    known = {one for receiver in visit.shown for one in receiver.settings.account_ids or ()}
    if not known:
        found = visit.shared(
            ("accounts", visit.narrowed),
            lambda: visit.ledger.reports.accounts(visit.narrowed),
            seconds=SECONDS,
        )
        known = set(found)
    if visit.account:
        known.add(visit.account)
    labels = [(one, account_label(visit, one)) for one in known] if len(known) > 1 else []
    return sorted(labels, key=lambda pair: (pair[1].casefold(), pair[0]))


def account_label(visit: Visit, account_id: str) -> str:
    """``Acme (11011399037)``, or only the id of an account without a name."""
    names = visit.shared(
        ("account names", visit.receiver), lambda: _names(visit), seconds=NAMES_SECONDS
    )
    name = names.get(account_id)
    return account_id if name is None else f"{name} ({account_id})"


def _names(visit: Visit) -> Mapping[str, str]:
    """Names by id, from :class:`.Account`; only those found by the visit's deadline."""
    found: dict[str, str] = {}
    for receiver in visit.shown:
        lookup = receiver.accounts
        if lookup is None:
            continue
        for key in lookup.keys(receiver.ledger):
            if visit.results.is_past(visit.deadline):
                return found
            try:
                one = lookup.find(key)
            except AccountsUnavailable:
                continue  # it is logged, and the others can still be shown
            if one is not None and one.account_name is not None:
                found.update(dict.fromkeys(one.settings.account_ids or (), one.account_name))
    return found
