"""The accounts to choose from, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

from ..receiving.account_lookup import AccountsUnavailable
from .visit import Visit

SECONDS: Final = 3600.0
"""How long the accounts are cached: finding them scans all messages."""

NAMES_SECONDS: Final = 600.0
"""How long their names are cached: a callable is called for each account."""

MORE_NAMES_SECONDS: Final = 60.0
"""How long to show the names found by a visit's deadline, before looking for more."""


def accounts(visit: Visit) -> list[tuple[str, str]]:
    """Ids and labels of the accounts to choose from, where there are several."""
    known = _ids(visit)
    if visit.account:
        known.add(visit.account)
    labels = [(one, account_label(visit, one)) for one in known] if len(known) > 1 else []
    return sorted(labels, key=lambda pair: (pair[1].casefold(), pair[0]))


def _ids(visit: Visit) -> set[str]:
    known = {one for receiver in visit.shown for one in receiver.settings.account_ids or ()}
    if known:
        return known
    found = visit.shared(
        ("accounts", visit.narrowed),
        lambda: visit.ledger.reports.accounts(visit.narrowed),
        seconds=SECONDS,
    )
    return set(found)


def resolve_account(visit: Visit) -> None:
    """Turn an account's key, name or label, as typed into the field, into its id.

    One that is not found, or is several's, stays as it is, with a note.
    """
    given = visit.account
    if given is None or given.isdecimal():
        return
    wanted = given.casefold()
    found = set(_ids_of_key(visit, given)) or {
        account_id
        for account_id, name in _shared_names(visit).items()
        if wanted in (name.casefold(), _labelled(account_id, name).casefold())
    }
    if len(found) == 1:
        (visit.account,) = found
    elif found:
        visit.notes.append(f"“{given}” has several ids: choose one of {', '.join(sorted(found))}.")
    elif given not in _ids(visit):
        visit.notes.append(f"There is no account “{given}”: type its id, its key or its name.")


def _ids_of_key(visit: Visit, key: str) -> Iterator[str]:
    for receiver in visit.shown:
        with suppress(AccountsUnavailable):  # it is logged
            one = None if receiver.accounts is None else receiver.accounts.find(key)
            yield from (one and one.settings.account_ids) or ()


def account_label(visit: Visit, account_id: str) -> str:
    """``Acme (11011399037)``, or only the id of an account without a name."""
    return _labelled(account_id, _shared_names(visit).get(account_id))


def _labelled(account_id: str, name: str | None) -> str:
    return account_id if name is None else f"{name} ({account_id})"


def _shared_names(visit: Visit) -> Mapping[str, str]:
    place = ("account names", visit.receiver)
    names: _Names = visit.shared(
        place,
        lambda: visit.shared((*place, "so far"), _Names, seconds=NAMES_SECONDS).added_to(visit),
        seconds=lambda names: NAMES_SECONDS if names.is_complete else MORE_NAMES_SECONDS,
    )
    return names.by_id


@dataclass
class _Names:
    """The names of accounts by id, from :class:`.Account`.

    :ivar looked_up: the keys of accounts that need not be asked for again.
    :ivar is_complete: whether all were looked up before a visit's deadline.
    """

    by_id: dict[str, str] = field(default_factory=dict)
    looked_up: set[tuple[str, str]] = field(default_factory=set)
    is_complete: bool = False

    def added_to(self, visit: Visit) -> Self:
        """Look up those that are missing, until the visit's deadline."""
        for receiver in visit.shown:
            lookup = receiver.accounts
            if lookup is None:
                continue
            for key in lookup.keys(receiver.ledger):
                if (receiver.name, key) in self.looked_up:
                    continue
                if visit.results.is_past(visit.deadline):
                    return self
                try:
                    one = lookup.find(key)
                except AccountsUnavailable:
                    continue  # it is logged, and the others can still be shown
                self.looked_up.add((receiver.name, key))
                if one is not None and one.account_name is not None:
                    ids = one.settings.account_ids or ()
                    self.by_id = {**self.by_id, **dict.fromkeys(ids, one.account_name)}
        self.is_complete = True
        return self
