"""The option ``--account``: which of the accounts it means, by its key or its id."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import click

from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver
from .errors import ledger_of
from .options import chosen_receiver, chosen_receivers
from .output import many, plain, quoted

account_option = click.option(
    "--account", "account", metavar="KEY", help="Which account, if the receiver has several."
)
account_filter = click.option(
    "--account",
    "account_id",
    metavar="KEY|ID",
    help="Only this account: its key, if a receiver has many, or its account_id.",
)

_NAMED: Final = 20
"""Known accounts that an error names: there may be hundreds."""


_MOST_FAILURES: Final = 3
"""Lookups in a row that may fail: each may take until a time-out."""


class Found(NamedTuple):
    """The known accounts of a receiver, and those that the application could not look up."""

    accounts: list[Receiver]
    problems: list[AccountsUnavailable]


def accounts_of(receiver: Receiver) -> Found:
    """Return its known accounts, if it has several.

    If several lookups in a row fail, the rest are not tried.

    :raises LedgerUnavailable: if they have to be read from the ledger, and it cannot be used.
    """
    found = Found([], [])
    keys = [] if receiver.accounts is None else receiver.accounts.keys(receiver.ledger)
    failures = 0
    for place, key in enumerate(keys):
        if failures == _MOST_FAILURES:
            left = many(len(keys) - place, "more account")
            found.problems.append(AccountsUnavailable(f"{receiver.name}: {left} not looked up."))
            break
        try:
            one = _of_key(receiver, key)
        except AccountsUnavailable as error:
            found.problems.append(error)
            failures += 1
        else:
            found.accounts.extend([] if one is None else [one])
            failures = 0
    return found


def chosen_account(name: str | None, key: str | None) -> Receiver:
    """Return the receiver of the account with that key, else by name, else the only one.

    :raises click.UsageError: if it is ambiguous or unknown.
    """
    receiver = chosen_receiver(name)
    if key is None and receiver.accounts is None:
        return receiver
    found = None if key is None else _of_key(receiver, key)
    if found is None:
        keys = receiver.accounts.keys(receiver.ledger) if receiver.accounts else []
        raise click.UsageError(
            f"Choose one of the accounts of {receiver.name} with --account ({_listed(keys)})."
        )
    return found


def account_id_of(
    given: str | None, name: str | None, *, may_be_unknown: bool = False
) -> str | None:
    """Return the ``account_id`` for *given*: that of the account with this key, or *given* itself.

    :param name: the receiver whose account it is, ``None`` for any.
    :raises click.UsageError: if it may mean several, or is neither configured nor recorded.
    :raises LedgerUnavailable: if the ledger has to tell which there are, and cannot be used.
    """
    if given is None:
        return None
    if not may_be_unknown:
        require_known(given, name)
    found = account_of(given, name)
    if found is None:
        return given
    ids = sorted(found.settings.account_ids or ())
    if given in ids:
        return given
    if len(ids) > 1:
        raise click.UsageError(
            f"The account {plain(given)} has several ids: choose one with --account "
            f"({', '.join(ids)})."
        )
    return ids[0]


def account_of(given: str, name: str | None) -> Receiver | None:
    """Return the account with this key, or else with this id; ``None`` if none is known.

    :raises click.UsageError: if it is the key of one, and an id of another.
    :raises AccountsUnavailable: if it may be one that the application cannot look up.
    :raises LedgerUnavailable: if the ledger has to tell which there are, and cannot be used.
    """
    by_key: Receiver | None = None
    by_id: list[Receiver] = []
    problems: list[AccountsUnavailable] = []
    for receiver in chosen_receivers(name):
        try:
            by_key = by_key or _of_key(receiver, given)
        except AccountsUnavailable as error:
            problems.append(error)
    if by_key is not None and not given.isdecimal():
        return by_key  # ids are numbers
    for receiver in chosen_receivers(name):
        found = accounts_of(receiver)
        by_id += [one for one in found.accounts if given in (one.settings.account_ids or ())]
        problems += found.problems
    if by_key is not None and any(one.account != by_key.account for one in by_id):
        raise click.UsageError(
            f"{plain(given)} is the key of one account, and an id of another "
            f"({plain(by_id[0].account or '')}): name the other by its key, and give that one an "
            "id of its own."
        )
    found_one = by_key or next(iter(by_id), None)
    if found_one is None and problems:
        raise problems[0]
    return found_one


def required_account(given: str, name: str | None) -> Receiver:
    """Like :func:`account_of`, but raise an error if there is none."""
    found = account_of(given, name)
    if found is None:
        raise _unknown(given, _configured(name))
    return found


def require_known(given: str, name: str | None) -> None:
    """Require an account, or an account_id that is configured or that the ledger has messages of.

    :raises click.UsageError: if it is none of these.
    """
    if account_of(given, name) is not None:
        return
    receivers = chosen_receivers(name)
    if any(given in (one.settings.account_ids or ()) for one in receivers):
        return
    ledgers = {id(ledger): ledger for ledger in map(ledger_of, receivers)}
    recorded = {one for ledger in ledgers.values() for one in ledger.reports.accounts(None)}
    if given not in recorded:
        configured = list(_configured(name))
        raise _unknown(given, configured or sorted(recorded))


def _of_key(receiver: Receiver, key: str) -> Receiver | None:
    return None if receiver.accounts is None else receiver.accounts.find(key)


def _configured(name: str | None) -> Iterator[str]:
    """Each account as ``--account`` takes it: its key and ids, or just its id."""
    for receiver in chosen_receivers(name):
        yield from sorted(receiver.settings.account_ids or ())
        for one in accounts_of(receiver).accounts:
            yield f"{one.account} ({', '.join(sorted(one.settings.account_ids or ()))})"


def _unknown(given: str, known: Iterator[str] | list[str]) -> click.UsageError:
    return click.UsageError(
        f"There is no account {quoted(given)}: --account takes the key of an Account, or an "
        f"account_id. Known: {_listed(list(known))}."
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    listed = plain(", ".join(islice(names, _NAMED))) or "none"
    return f"{listed} and {more} more" if more > 0 else listed
