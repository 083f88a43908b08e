"""What the commands share: which receiver, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import click
from flask import current_app

from ..ledger.current import EXTENSION
from ..receiver import Receiver

receiver_option = click.option(
    "--receiver", "name", metavar="NAME", help="Which receiver, where there are several."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


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


def print_json(value: Any) -> None:
    """Print *value* as JSON, for people and programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
