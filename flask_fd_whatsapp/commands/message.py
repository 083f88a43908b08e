"""``flask fd-whatsapp message``: shows what became of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from flask.cli import with_appcontext

from ..events import DeliveryError, is_ahead
from ..exceptions import AmbiguousMessage
from ..failure_reasons import FailureClass, classify
from ..ledger import Event, Ledger, Message, State
from .account_options import account_filter, account_id_of
from .event_list import describe
from .options import chosen_ledger, json_option, receiver_option
from .output import plain, print_json, print_table, quoted, short, when

_MAX_EVENTS = 1000


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp message 01KAB4HHTBE081898E432RCMA7\n"
    "  flask fd-whatsapp message MM-T1-00001 --json"
)
@click.argument("id_or_reference")
@account_filter
@receiver_option
@json_option
@with_appcontext
def message(id_or_reference: str, account_id: str | None, name: str | None, as_json: bool) -> None:
    """Show what became of a message: its timeline, and why it failed.

    ID_OR_REFERENCE is Freshdesk's message id, or the external_reference_id, which several messages
    can share.
    """
    receiver, ledger = chosen_ledger(name)
    found = _find(ledger, id_or_reference, account_id_of(account_id, name))
    if not found:
        raise click.ClickException(
            f"No message with the id or reference {quoted(id_or_reference)} is known."
        )
    classes = receiver.settings.failure_classes
    shown = [
        (one, _timeline(ledger, one), classify(one.error.code, classes) if one.error else None)
        for one in found
    ]
    if as_json:
        print_json({"messages": [_as_json(*each) for each in shown]})
        return
    for place, each in enumerate(shown):
        if place:
            click.echo()
        _print(*each)


def _find(ledger: Ledger, id_or_reference: str, account: str | None) -> list[Message]:
    try:
        by_id = ledger.message(id_or_reference, account)
    except AmbiguousMessage:
        events = ledger.events(message_id=id_or_reference, limit=_MAX_EVENTS)
        accounts = ", ".join(sorted({event.account_id for event in events}))
        raise click.UsageError(
            f"Several accounts have a message {id_or_reference}: choose one with --account "
            f"({plain(accounts)})."
        ) from None
    if by_id is not None:
        return [by_id]
    found = ledger.messages(external_reference_id=id_or_reference)
    return [one for one in found if account is None or one.account_id == account]


def _timeline(ledger: Ledger, one: Message) -> list[Event]:
    events = ledger.events(
        message_id=one.message_id, account_id=one.account_id, after=0, limit=_MAX_EVENTS
    )
    return sorted(events, key=lambda event: (event.timestamp, event.id))


def _as_json(
    one: Message, timeline: Sequence[Event], failure_class: FailureClass | None
) -> dict[str, Any]:
    error = one.error
    return {
        "account_id": one.account_id,
        "message_id": one.message_id,
        "external_reference_id": one.external_reference_id,
        "campaign": one.campaign,
        "status": one.status,
        "timeline": [
            {
                "status": event.status,
                "timestamp": event.timestamp,
                "received_at": event.received_at,
                "event": event.id,
                "is_stale": event.is_stale,
                "state": event.state,
                "attempts": event.attempts,
                "last_error": event.last_error,
            }
            for event in timeline
        ],
        "failure": {
            "code": error.code,
            "message": error.message,
            "class": failure_class,
            "advice": failure_class.advice,
        }
        if error and failure_class
        else None,
    }


def _print(one: Message, timeline: Sequence[Event], failure_class: FailureClass | None) -> None:
    click.echo(plain(f"Message {one.message_id} of account {one.account_id}"))
    click.echo(plain(f"Reference: {one.external_reference_id or '-'}"))
    click.echo(plain(f"Campaign: {one.campaign or '-'}"))
    click.echo(f"Status: {one.status or '-'}")
    print_table(
        ("status", "reached", "after", "received", "event", "handlers"),
        [_row(event, timeline[0]) for event in timeline],
    )
    for event in timeline:
        if event.state is not State.DONE:
            click.echo(describe(event))
    if one.error is not None and failure_class is not None:
        _explain(one, one.error, failure_class)


def _row(event: Event, first: Event) -> tuple[object, ...]:
    after = (event.timestamp - first.timestamp).total_seconds()
    return (
        event.status + (" (stale)" if event.is_stale else ""),
        when(event.timestamp),
        f"{after:.3f} s",
        when(event.received_at),
        event.id,
        event.state.value,
    )


def _explain(one: Message, error: DeliveryError, failure_class: FailureClass) -> None:
    said = ": ".join(short(text) for text in (error.code, error.message) if text)
    click.echo(f"Failed: {said}")
    click.echo(f"  {failure_class.value}: {failure_class.advice}")
    if is_ahead(one.status, of="FAILED"):
        click.echo(f"Despite that, it is {one.status}.")
