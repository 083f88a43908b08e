"""Options shared by the commands: which receiver, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import click
from flask import current_app

from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..ledger.records import ACCOUNT_SEPARATOR
from ..receiving.receiver import Receiver
from .errors import ledger_of
from .output import json_alone, plain

receiver_option = click.option(
    "--receiver", "name", metavar="NAME", help="Which receiver, if there are several."
)
account_option = click.option(
    "--account", "account", metavar="KEY", help="Which account, if the receiver has several."
)
account_filter = click.option(
    "--account",
    "account_id",
    metavar="KEY|ID",
    help="This account only: its key, if a receiver has many, or its account_id.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, callback=json_alone, help="Print JSON only."
)


def one_format(**chosen: bool) -> str | None:
    """Return the chosen format, by the name of its option; ``None`` for a table.

    :raises click.UsageError: if several are chosen.
    """
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) > 1:
        raise click.UsageError(f"--{names[0]} and --{names[1]} are two formats: choose one.")
    return names[0] if names else None


def receivers() -> Mapping[str, Receiver]:
    """Return the receivers of the current application by name."""
    return cast(Mapping[str, Receiver], current_app.extensions[EXTENSION])


def receiver_of(name: str) -> Receiver | None:
    """Return the receiver with that name, or of the account with that quarantine name."""
    known = receivers()
    if name in known:
        return known[name]
    of_all, _, key = name.partition(ACCOUNT_SEPARATOR)
    return _of_account(known[of_all], key) if of_all in known else None


def _of_account(receiver: Receiver, key: str) -> Receiver | None:
    return None if receiver.accounts is None else receiver.accounts.find(key)


def accounts_of(receiver: Receiver) -> list[Receiver]:
    """Return its known accounts, if it has several.

    :raises AccountsUnavailable: if the application cannot say which one of them is.
    :raises LedgerUnavailable: if they have to be read from the ledger, and it cannot be used.
    """
    if receiver.accounts is None:
        return []
    found = (_of_account(receiver, key) for key in receiver.accounts.keys(receiver.ledger))
    return [one for one in found if one is not None]


def chosen_account(name: str | None, key: str | None) -> Receiver:
    """Return the receiver of the account with that key, else by name, else the only one.

    :raises click.UsageError: if it is ambiguous or unknown.
    """
    receiver = chosen_receiver(name)
    if key is None and receiver.accounts is None:
        return receiver
    found = None if key is None else _of_account(receiver, key)
    if found is None:
        known = ", ".join(receiver.accounts.keys(receiver.ledger)) if receiver.accounts else "none"
        raise click.UsageError(
            f"Choose one of the accounts of {receiver.name} with --account ({plain(known)})."
        )
    return found


def account_id_of(given: str | None, name: str | None) -> str | None:
    """Return the ``account_id`` for *given*: that of the account with this key, or *given* itself.

    :param name: the receiver whose account it is, ``None`` for any.
    :raises click.UsageError: if it may mean several.
    """
    if given is None:
        return None
    found = account_of(given, name)
    ids = sorted(found.settings.account_ids or ()) if found is not None else [given]
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
    :raises LedgerUnavailable: if the ledger has to tell which there are, and cannot be used.
    """
    receivers_with_accounts = [one for one in chosen_receivers(name) if one.accounts is not None]
    found = [_of_account(one, given) for one in receivers_with_accounts]
    by_key = next((one for one in found if one is not None), None)
    if by_key is not None and not given.isdecimal():
        return by_key  # ids are numbers
    by_id = [
        one
        for receiver in receivers_with_accounts
        for one in accounts_of(receiver)
        if given in (one.settings.account_ids or ())
    ]
    if by_key is not None and any(one.account != by_key.account for one in by_id):
        raise click.UsageError(
            f"{plain(given)} is the key of one account, and an id of another "
            f"({plain(by_id[0].account or '')}): name the other by its key, and give that one an "
            "id of its own."
        )
    return by_key or next(iter(by_id), None)


def required_account(given: str, name: str | None) -> Receiver:
    """Like :func:`account_of`, but raise an error if there is none."""
    found = account_of(given, name)
    if found is None:
        raise click.UsageError(
            f"There is no account {plain(given)!r}: --account takes the key of an Account, or one "
            "of its account_ids."
        )
    return found


def chosen_receiver(name: str | None) -> Receiver:
    """Return the receiver with that name, or the only one.

    :raises click.UsageError: if it is ambiguous or unknown.
    """
    known = receivers()
    if name is None:
        if len(known) > 1:
            raise click.UsageError(
                f"There are several receivers: choose one with --receiver ({', '.join(known)})."
            )
        (only,) = known.values()
        return only
    if name not in known:
        raise click.UsageError(f"There is no receiver {name!r}: known are {', '.join(known)}.")
    return known[name]


def chosen_receivers(name: str | None) -> list[Receiver]:
    """Return the receiver with that name, or all.

    :raises click.UsageError: if it is unknown.
    """
    return [chosen_receiver(name)] if name else list(receivers().values())


def chosen_ledger(name: str | None) -> tuple[Receiver, Ledger]:
    """Return the ledger of the receiver with that name, or the one that all receivers share.

    :return: with the first of its receivers.
    :raises click.UsageError: if there are several ledgers, or the receiver is unknown.
    :raises LedgerUnavailable: if it cannot be created.
    """
    first, *others = chosen_receivers(name)
    ledger = ledger_of(first)
    if any(ledger_of(other) is not ledger for other in others):
        raise click.UsageError(
            "There are several ledgers: choose one by its receiver with --receiver "
            f"({', '.join(receivers())})."
        )
    return first, shared_ledger(first)


def shared_ledger(receiver: Receiver) -> Ledger:
    """Return the ledger of *receiver*; note if it is in memory, and so this process's own.

    :raises LedgerUnavailable: if it cannot be created.
    """
    ledger = ledger_of(receiver)
    if not ledger.durable:
        click.echo(
            f"Note: the ledger of {receiver.name} is in memory, so events recorded by another "
            "process, such as the server, cannot be seen from here: set "
            f"{receiver.prefix}_LEDGER_URL to a database.",
            err=True,
        )
    return ledger
