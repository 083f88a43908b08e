"""``flask fd-whatsapp forget``: erases what is kept of a person's messages."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from ..ledger import Ledger
from .options import chosen_ledger, json_option, receiver_option
from .output import many, print_json

PAGE = 100


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp forget --reference customer-4711 --yes\n"
    "  flask fd-whatsapp forget --message 01KAB4HHTBE081898E432RCMA7"
)
@click.option("--message", "message_id", metavar="ID", help="The message of this id.")
@click.option("--reference", help="All messages with this external_reference_id.")
@click.option("--account", "account_id", metavar="ID", help="Of this account alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@receiver_option
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
    """Erase what is kept of a person's messages: events, handlers, sends, quarantined bodies.

    Counts and times stay in the reports, and of each id a digest, by which a late event is known
    not to be new. Events that are not handled yet will not be. Backups, your own tables and
    Freshdesk are yours to see to. Exit 1 if a message is being handled right now: run it again.
    """
    if (message_id is None) == (reference is None):
        raise click.UsageError("Give --message or --reference.")
    _, ledger = chosen_ledger(name)
    if not yes:
        click.confirm("Erase them for good?", abort=True, err=True)
    erased = ledger.maintenance.erase(
        message_id=message_id, reference=reference, account_id=account_id
    )
    quarantined = _discard(ledger, message_id or reference or "", name)
    if as_json:
        print_json({**asdict(erased), "quarantined": quarantined})
    else:
        click.echo(
            f"Erased {many(erased.messages, 'message')}, {many(erased.sends, 'send')} without a "
            f"message, {quarantined} in quarantine."
        )
    if erased.held:
        raise click.ClickException(
            f"{many(erased.held, 'message')} being handled right now: run it again."
        )


def _discard(ledger: Ledger, text: str, name: str | None) -> int:
    """Discard the bodies in which the id or reference stands, written in any of JSON's ways."""
    written = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text}
    found = [one.encode("utf-8", "surrogatepass") for one in written]
    return sum(ledger.quarantine.discard(entry_id) for entry_id in _with(ledger, found, name))


def _with(ledger: Ledger, texts: Collection[bytes], name: str | None) -> Iterator[Any]:
    last: Any = 0
    while page := ledger.quarantined(receiver=name, after=last, limit=PAGE):
        for entry in page:
            body = ledger.quarantine.body(entry.id) or b""
            if any(text in body for text in texts):
                yield entry.id
        last = page[-1].id
