"""What the commands share: which receiver, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import click
from flask import current_app

from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..receiving.receiver import Receiver
from .errors import ledger_of
from .output import json_alone

receiver_option = click.option(
    "--receiver", "name", metavar="NAME", help="Which receiver, where there are several."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, callback=json_alone, help="Print JSON, and nothing else."
)


def receivers() -> Mapping[str, Receiver]:
    """The receivers of the current application by name."""
    return cast(Mapping[str, Receiver], current_app.extensions[EXTENSION])


def chosen_receiver(name: str | None) -> Receiver:
    """The receiver of that name, or the only one.

    :raises click.UsageError: if it has to be named, or is not known.
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
    """The receiver of that name, or all.

    :raises click.UsageError: if it is not known.
    """
    return [chosen_receiver(name)] if name else list(receivers().values())


def chosen_ledger(name: str | None) -> tuple[Receiver, Ledger]:
    """The ledger of the receiver of that name, or the one that all receivers share.

    :return: with the first of the receivers whose it is.
    :raises click.UsageError: if there are several ledgers, or the receiver is not known.
    :raises LedgerUnavailable: if it cannot be made.
    """
    first, *others = chosen_receivers(name)
    ledger = ledger_of(first)
    if any(ledger_of(other) is not ledger for other in others):
        raise click.UsageError(
            "There are several ledgers: choose that of a receiver with --receiver "
            f"({', '.join(receivers())})."
        )
    return first, shared_ledger(first)


def shared_ledger(receiver: Receiver) -> Ledger:
    """The ledger of *receiver*; one in memory is this process's own, which is said.

    :raises LedgerUnavailable: if it cannot be made.
    """
    ledger = ledger_of(receiver)
    if not ledger.durable:
        click.echo(
            f"Note: the ledger of {receiver.name} is in memory, and that of another process, such "
            f"as the server's, cannot be seen from here: set {receiver.prefix}_LEDGER_URL to a "
            "database.",
            err=True,
        )
    return ledger
