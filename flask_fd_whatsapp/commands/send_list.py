"""``flask fd-whatsapp sends``: lists messages sent through the API, and their outcome."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Final

import click
from flask.cli import with_appcontext

from ..engagement.export import cell
from ..ledger.api_parts import SendRecord
from ..ledger.send_records import Send, SendFilter, SendState
from .account_options import account_filter, account_id_of
from .options import chosen_receiver, json_option, one_format, receiver_option, shared_ledger
from .output import plain, print_json, print_json_rows, print_table, when
from .parameters import AT_MOST, EventId

_HEAD: Final = ("id", "begun", "state", "message", "reference", "campaign", "template")

_MORE: Final = ("language", "error", "account", "settled", "candidates")
"""The further columns of CSV, for which a table has no room."""

PAGE: Final = 1000
"""Sends per query, each a transaction of its own, so that memory stays flat."""

SHOWN: Final = 100


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp sends --unknown\n"
    "  flask fd-whatsapp sends --campaign spring --csv > sends.csv\n"
    "  flask fd-whatsapp sends --not-sent 4711"
)
@click.option("--unknown", is_flag=True, help="Only sends whose outcome is unknown.")
@click.option("--unheard", is_flag=True, help="Only sends whose message has had no event yet.")
@click.option("--campaign", help="Only sends of this campaign.")
@click.option("--reference", help="Only sends with this external_reference_id.")
@account_filter
@click.option(
    "--limit",
    type=AT_MOST,
    help="At most this many.  [default: 100 in a table, all with --csv or --json]",
)
@click.option("--not-sent", type=EventId(), metavar="ID", help="Record that this one was not sent.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV only.")
@receiver_option
@json_option
@with_appcontext
def sends(
    unknown: bool,
    unheard: bool,
    campaign: str | None,
    reference: str | None,
    account_id: str | None,
    limit: int | None,
    not_sent: int | None,
    as_csv: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """List sends, newest first; recipients are not stored.

    A send is unknown if its answer was lost, or its process died. It is settled automatically as
    soon as exactly one message with its reference is seen. If there are several, they are shown,
    and --not-sent closes a send that you know did not go out; its reference can then be used again.
    """
    if unknown and unheard:
        raise click.UsageError("A send is either unknown, or sent without an event: choose one.")
    one_format(csv=as_csv, json=as_json)
    if not_sent is not None and (unknown or unheard or campaign or reference or limit or as_csv):
        raise click.UsageError("--not-sent closes one send, and lists none: give it alone.")
    receiver = chosen_receiver(name)
    record = shared_ledger(receiver).send_record
    record.settle()
    if not_sent is not None:
        _close(record, not_sent, receiver.name)
        if as_json:
            print_json({"send": asdict(_of(record, not_sent, receiver.name))})
        else:
            click.echo(f"Send {not_sent} is recorded as not sent: its reference is free again.")
        return
    wanted = SendFilter(
        external_reference_id=reference,
        state=SendState.UNKNOWN if unknown else None,
        campaign=campaign,
        receiver=receiver.name,
        account_id=account_id_of(account_id, name),
        is_unheard=unheard,
    )
    if as_csv:
        _print_csv(islice(_all_sends(record, wanted), limit))
        return
    if as_json:
        print_json_rows("sends", map(asdict, islice(_all_sends(record, wanted), limit)))
        return
    found = record.listed(wanted._replace(limit=limit or SHOWN))
    if not found:
        click.echo("No sends.")
    else:
        _print(found)


def _of(record: SendRecord, send_id: int, receiver: str) -> Send:
    found = record.find(send_id)
    if found is None or found.receiver != receiver:
        raise click.ClickException(f"{receiver} has no send {send_id}: `sends` lists their ids.")
    return found


def _close(record: SendRecord, send_id: int, receiver: str) -> None:
    """Record that a send did not go out; an error says why it cannot be so."""
    before = _of(record, send_id, receiver)
    if record.close(send_id):
        return
    found = record.find(send_id) or before
    raise click.ClickException(
        f"Send {send_id} is not unknown, and stays as it is. {_WHY_NOT[found.state]}"
        + (f" Its message is {plain(found.message_id)}." if found.message_id else "")
    )


_WHY_NOT: Final[Mapping[SendState, str]] = {
    SendState.SENDING: "It is under way, and counts as unknown after two minutes.",
    SendState.SENT: "It was sent.",
    SendState.REFUSED: "Freshdesk refused it, so nothing was sent.",
    SendState.UNSENT: "It is recorded as not sent already.",
    SendState.ERASED: "It was erased with `forget`.",
    SendState.UNKNOWN: "It has just become unknown: try again.",
}


def _print(found: Sequence[Send]) -> None:
    print_table(_HEAD, [[value or "-" for value in _row(one)] for one in found])
    for one in found:
        if one.state is SendState.UNKNOWN:
            may_be = ", ".join(one.candidates) or "no message seen yet"
            click.echo(
                plain(f"Send {one.id} may have become: {may_be}. {one.error or ''}".rstrip())
            )


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


def _all_sends(record: SendRecord, wanted: SendFilter) -> Iterator[Send]:
    """Yield the sends that meet all conditions, newest first, page by page."""
    before = None
    while page := record.listed(wanted._replace(before=before, limit=PAGE)):
        yield from page
        before = page[-1].place


def _print_csv(found: Iterator[Send]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*_HEAD, *_MORE))
    for one in found:
        settled = when(one.settled_at) if one.settled_at else None
        more = (one.language, one.error, one.account_id, settled, " ".join(one.candidates))
        writer.writerow([cell(value) for value in (*_row(one), *more)])
