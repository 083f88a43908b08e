"""``flask fd-whatsapp acknowledge``: acknowledges dead events and rejections."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from .errors import noting
from .options import (
    chosen_receiver,
    chosen_receivers,
    json_option,
    receiver_option,
    shared_ledger,
)
from .output import many, print_json
from .parameters import EventId


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp acknowledge\n"
    "  flask fd-whatsapp acknowledge --event 4711 --event 4712"
)
@click.option(
    "--event",
    "event_ids",
    type=EventId(),
    multiple=True,
    help="Acknowledge this event only; can be repeated.",
)
@receiver_option
@json_option
@with_appcontext
def acknowledge(event_ids: tuple[int, ...], name: str | None, as_json: bool) -> None:
    """Acknowledge dead events and rejected requests, so that `status` no longer reports them.

    Without --event, acknowledge all so far. Events stay dead, and `retry --dead` can still revive
    them. One that dies again is reported again, and so is the next rejected request.
    Exit 1 if a named event is not dead, or was already acknowledged.
    """
    acknowledged: dict[str, int] = {}
    rejections: dict[str, int] = {}
    problems: list[str] = []
    receivers = [chosen_receiver(name)] if event_ids else chosen_receivers(name)
    for receiver in receivers:
        with noting(problems, receiver):
            ledger = shared_ledger(receiver)
            counts = [
                ledger.dead_events.acknowledge(receiver=receiver.name, event_id=event_id)
                for event_id in event_ids or (None,)
            ]
            acknowledged[receiver.name] = sum(counts)
            if not event_ids:
                rejections[receiver.name] = ledger.rejections.acknowledge(receiver=receiver.name)
            for event_id, count in zip(event_ids, counts, strict=False):
                if not count:
                    problems.append(
                        f"{receiver.name}: event {event_id} is not dead, or was already "
                        "acknowledged."
                    )
                    click.echo(f"Error: {problems[-1]}", err=True)
    if as_json:
        print_json({"acknowledged": acknowledged, "rejections": rejections, "problems": problems})
    else:
        for receiver_name, count in acknowledged.items():
            click.echo(f"{receiver_name}: {many(count, 'dead event')} acknowledged.")
        for receiver_name, count in rejections.items():
            if count:
                click.echo(f"{receiver_name}: {many(count, 'rejection')} acknowledged.")
    if problems:
        raise SystemExit(1)
