"""Options shared by the commands: which receiver, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import click
from flask import current_app

from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..ledger.records import receiver_and_key
from ..receiving.receiver import Receiver
from .errors import ledger_of
from .output import json_alone, quoted

receiver_option = click.option(
    "--receiver", "name", metavar="NAME", help="Which receiver, if there are several."
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
    of_all, key = receiver_and_key(name)
    accounts = known[of_all].accounts if of_all in known else None
    return None if accounts is None else accounts.find(key)


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
        raise click.UsageError(
            f"There is no receiver {quoted(name)}: known are {', '.join(known)}."
        )
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
