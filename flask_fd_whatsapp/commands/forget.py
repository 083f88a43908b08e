"""``flask fd-whatsapp forget``: erases what is stored about a person's messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from ..ledger import Ledger
from .account_options import account_id_of, require_known
from .options import chosen_ledger, json_option
from .output import many, print_json
from .search_body import contains_value

PAGE = 100


def _not_blank(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter(
            f"{parameter.opts[0]} is empty: set it to the id or reference of the messages.",
            param=parameter,
        )
    return value


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp forget --reference customer-4711 --yes\n"
    "  flask fd-whatsapp forget --message 01KAB4HHTBE081898E432RCMA7"
)
@click.option(
    "--message",
    "message_id",
    metavar="ID",
    callback=_not_blank,
    help="Erase the message with this id.",
)
@click.option(
    "--reference", callback=_not_blank, help="Erase all messages with this external_reference_id."
)
@click.option(
    "--account",
    "account_id",
    metavar="KEY|ID",
    callback=_not_blank,
    help="Only this account: its key, if a receiver has many, or its account_id.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--receiver",
    "name",
    metavar="NAME",
    help="Whose ledger, if there are several; data of receivers that share it is erased too.",
)
@json_option
@with_appcontext
def forget(
    message_id: str | None,
    reference: str | None,
    account_id: str | None,
    yes: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Erase what is stored about a person's messages: events, handlers, sends, quarantined bodies.

    Counts and times stay in the reports, and so does a digest of each id, so that a late event is
    not taken for a new one. Pending events will not be handled. Backups, your own tables and
    Freshdesk are not touched. Exit 1 if a message is being handled right now: run it again.
    """
    text = reference if message_id is None else message_id
    if text is None or None not in (message_id, reference):
        raise click.UsageError("Set --message or --reference.")
    _, ledger = chosen_ledger(name)
    given, account_id = account_id, account_id_of(account_id, name, may_be_unknown=True)
    if not yes:
        click.confirm("Erase them permanently?", abort=True, err=True)
    erased = ledger.maintenance.erase(
        message_id=message_id, reference=reference, account_id=account_id
    )
    found = _with(ledger, text, account_id)
    quarantined = sum(ledger.quarantine.discard(entry_id) for entry_id in found)
    if given and not (any(asdict(erased).values()) or quarantined):
        require_known(given, name)
    if as_json:
        print_json({**asdict(erased), "quarantined": quarantined})
    else:
        click.echo(
            f"Erased {many(erased.messages, 'message')}, {many(erased.sends, 'send')} without a "
            f"message, {quarantined} in quarantine."
        )
    if erased.held:
        raise click.ClickException(
            f"{many(erased.held, 'message')} being handled right now: run the command again."
        )


def _with(ledger: Ledger, text: str, account_id: str | None) -> Iterator[Any]:
    """Return the quarantined bodies that contain the id or reference."""
    last: Any = 0
    while page := ledger.quarantined(after=last, limit=PAGE):
        for entry in page:
            if contains_value(ledger.quarantine.body(entry.id) or b"", text, account_id):
                yield entry.id
        last = page[-1].id
