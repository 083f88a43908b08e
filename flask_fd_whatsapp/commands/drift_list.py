"""``flask fd-whatsapp drift``: lists unknown parts of payloads."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..ledger.drift import Drift
from .options import chosen_receiver, json_option, receiver_option, shared_ledger
from .output import print_json, print_table, when

_HEAD = ("last seen", "first seen", "times", "what", "place", "found", "example", "receiver")


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp drift\n"
    "  flask fd-whatsapp drift --json | jq -r '.drift[].place'"
)
@receiver_option
@json_option
@with_appcontext
def drift(name: str | None, as_json: bool) -> None:
    """List what Freshdesk sent that the schema does not know: fields, types, statuses, error codes.

    Nothing is lost: payloads are stored as received. An entry means that Freshdesk has changed
    something, which a handler, or a newer version of the package, may be able to use. The example
    is a message id: `flask fd-whatsapp message ID` shows the message.
    """
    found = shared_ledger(chosen_receiver(name)).drift.seen(receiver=name)
    if as_json:
        print_json({"drift": [_summary(one) for one in found]})
    elif not found:
        click.echo("Nothing unknown has been seen.")
    else:
        print_table(_HEAD, [_row(one) for one in found])


def _row(one: Drift) -> tuple[object, ...]:
    return (
        when(one.last_seen),
        when(one.first_seen),
        one.count,
        one.kind.value,
        one.place,
        one.found,
        one.example or "-",
        one.receiver,
    )


def _summary(one: Drift) -> dict[str, object]:
    return {
        "receiver": one.receiver,
        "kind": one.kind.value,
        "place": one.place,
        "found": one.found,
        "count": one.count,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
        "example": one.example,
    }
