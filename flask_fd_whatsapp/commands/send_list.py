"""``flask fd-whatsapp sends``: what was sent through the API, and what became of it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import click
from flask.cli import with_appcontext

from ..escaping import plain as escaped
from ..ledger.send_records import Send, SendFilter, SendState
from .options import chosen_receiver, json_option, receiver_option, shared_ledger
from .output import plain, print_json, print_table, when
from .parameters import EventId

_HEAD: Final = ("id", "begun", "state", "message", "reference", "campaign", "template")

_FORMULA: Final = tuple("=+-@\t\r")
"""What a spreadsheet takes for the beginning of a formula."""


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp sends --unknown\n"
    "  flask fd-whatsapp sends --campaign spring --csv > sends.csv\n"
    "  flask fd-whatsapp sends --not-sent 4711"
)
@click.option("--unknown", is_flag=True, help="Of which nobody knows whether they were sent.")
@click.option("--unheard", is_flag=True, help="Sent, and nothing heard of the message.")
@click.option("--campaign", help="Of this campaign.")
@click.option("--reference", help="With this external_reference_id.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option("--not-sent", type=EventId(), metavar="ID", help="Say that this one was not sent.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, and nothing else.")
@receiver_option
@json_option
@with_appcontext
def sends(
    unknown: bool,
    unheard: bool,
    campaign: str | None,
    reference: str | None,
    limit: int,
    not_sent: int | None,
    as_csv: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """List what was sent, newest first; recipients are not kept.

    A send is unknown if its answer was lost, or its process died. It is settled by itself as soon
    as exactly one message with its reference is heard of; if there are several, they are shown,
    and --not-sent closes a send of which you know that it did not go out. Its reference can then
    be sent with again.
    """
    if unknown and unheard:
        raise click.UsageError("A send is unknown, or was sent and not heard of: choose one.")
    receiver = chosen_receiver(name)
    record = shared_ledger(receiver).send_record
    if not_sent is not None:
        if not record.close(not_sent):
            raise click.ClickException(f"There is no unknown send {not_sent}.")
        click.echo(f"Send {not_sent} was not sent.")
        return
    record.settle()
    found = record.listed(
        SendFilter(
            external_reference_id=reference,
            state=SendState.UNKNOWN if unknown else None,
            campaign=campaign,
            receiver=receiver.name,
            is_unheard=unheard,
            limit=limit,
        )
    )
    if as_json:
        print_json({"sends": [asdict(one) for one in found]})
    elif as_csv:
        _print_csv(found)
    elif not found:
        click.echo("No sends.")
    else:
        _print(found)


def _print(found: Sequence[Send]) -> None:
    print_table(_HEAD, [[cell or "-" for cell in _row(one)] for one in found])
    for one in found:
        if one.state is SendState.UNKNOWN:
            may_be = ", ".join(one.candidates) or "no message heard of yet"
            click.echo(plain(f"Send {one.id} may be: {may_be}. {one.error or ''}".rstrip()))


def _row(one: Send) -> tuple[object, ...]:
    return (
        one.id,
        when(one.created_at),
        one.state.value,
        one.message_id,
        one.external_reference_id,
        one.campaign,
        one.template,
    )


def _print_csv(found: Sequence[Send]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow((*_HEAD, "language", "error"))
    for one in found:
        writer.writerow([_cell(cell) for cell in (*_row(one), one.language, one.error)])


def _cell(value: object) -> str:
    """A cell that no spreadsheet runs."""
    text = "" if value is None else escaped(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
