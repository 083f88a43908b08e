"""``flask fd-whatsapp events``: the recorded events, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from ..events import Status
from ..failure_reasons import classify
from ..ledger import Event, Ledger, State
from ..receiving.receiver import Receiver
from .account_options import account_filter, account_id_of
from .event_filters import (
    campaign_option,
    known_status,
    since_option,
    status_option,
    until_option,
)
from .options import chosen_ledger, json_option, receiver_option
from .output import many, plain, print_json, print_table, short, when
from .parameters import EventId
from .periods import in_order

_HEAD = ("id", "received", "status", "state", "due", "account", "message", "reference", "campaign")


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp events --status FAILED --since 2h\n"
    "  flask fd-whatsapp events --state dead --json"
)
@status_option
@account_filter
@campaign_option
@click.option(
    "--reference", "external_reference_id", help="Only events with this external_reference_id."
)
@click.option("--message", "message_id", metavar="ID", help="Only events of this message.")
@since_option
@until_option
@click.option(
    "--source",
    type=click.Choice(["webhook", "api"]),
    help="Only events that the webhook, or the API, reported.",
)
@click.option(
    "--state",
    type=click.Choice([state.value for state in State]),
    help="Only events in this state.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="List at most this many.",
)
@click.option("--before", type=EventId(), help="Next page: recorded before the event with this id.")
@receiver_option
@json_option
@with_appcontext
def events(
    status: str | None,
    state: str | None,
    limit: int,
    name: str | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """List recorded events, newest first.

    The state describes the handlers, not the message: an event is pending until every handler has
    succeeded, then done; it is dead after too many failed attempts. A FAILED event that was handled
    is done. Conditions are combined with AND.
    """
    receiver, ledger = chosen_ledger(name)
    in_order(wanted["since"], wanted["until"])
    wanted["account_id"] = account_id_of(wanted["account_id"], name)
    found = ledger.events(
        status=known_status(status),
        state=State(state) if state else None,
        receiver=name,
        limit=limit + 1,
        **wanted,
    )
    page = found[:limit]
    next_page = page[-1].id if len(found) > limit else None
    told = _failures(ledger, receiver, page)
    if as_json:
        print_json(
            {
                "events": [{**asdict(event), "failure": told.get(event.id)} for event in page],
                "before": next_page,
            }
        )
        return
    if not page:
        click.echo("No events.")
        return
    print_table(_HEAD, [_row(event) for event in page])
    for event in page:
        if event.last_error and event.state is not State.DONE:
            click.echo(describe(event))
    for event in page:
        if event.id in told:
            click.echo(_in_words(event, told[event.id]))
    if next_page is not None:
        click.echo(f"Older ones: --before {next_page}", err=True)


def _failures(ledger: Ledger, receiver: Receiver, page: Sequence[Event]) -> dict[Any, Any]:
    """Return for each FAILED, by its event's id, why it failed, and whether it arrived
    nevertheless."""
    failed = [event for event in page if event.status == Status.FAILED]
    if not failed:
        return {}
    messages = {
        (one.account_id, one.message_id): one
        for one in ledger.messages(message_ids={event.message_id for event in failed})
    }
    told = {}
    for event in failed:
        one = messages.get((event.account_id, event.message_id))
        if one is not None:
            code = one.error.code if one.error else None
            failure_class = classify(code, receiver.settings.failure_classes)
            told[event.id] = {
                "code": code,
                "message": one.error.message if one.error else None,
                "class": failure_class.value,
                "advice": failure_class.advice,
                "arrived_all_the_same": one.status in (Status.DELIVERED, Status.READ),
            }
    return told


def _in_words(event: Event, failure: dict[str, Any]) -> str:
    """Why a message failed, in one line."""
    said = ": ".join(short(text) for text in (failure["code"], failure["message"]) if text)
    arrived = " It arrived all the same." if failure["arrived_all_the_same"] else ""
    return plain(
        f"Event {event.id} (FAILED of {event.message_id}) is of class {failure['class']} "
        f"({said or 'no code'}).{arrived}"
    )


def describe(event: Event) -> str:
    """Return one line about an unfinished event: attempts so far, and what went wrong."""
    next_try = f", next attempt due {when(event.due_at)}" if event.due_at else ""
    postponed = f", postponed {many(event.postponed, 'time')}" if event.postponed else ""
    return plain(
        f"Event {event.id} ({event.status} of {event.message_id}) is {event.state.value} after "
        f"{many(event.attempts, 'attempt')}{postponed}{next_try}: "
        f"{event.last_error or _without_error(event)}"
    )


def _without_error(event: Event) -> str:
    """Return why there is no error: attempts are counted when they begin, so one may be running."""
    if event.attempts:
        return "no handler is known to have failed: it is being handled, or its process died"
    return "no handler failed"


def _row(event: Event) -> tuple[object, ...]:
    return (
        event.id,
        when(event.received_at),
        event.status + (" (stale)" if event.is_stale else ""),
        event.state.value,
        when(event.due_at),
        event.account_id,
        event.message_id,
        event.external_reference_id or "-",
        event.campaign or "-",
    )
