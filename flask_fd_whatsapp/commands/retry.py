"""``flask fd-whatsapp retry``: carries out the sweep, once or continuously."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import click
from flask.cli import with_appcontext

from ..ledger import State
from ..ledger.protocol import find_event
from ..receiving.receiver import Receiver
from ..receiving.sweep import Swept, sweep, sweep_chosen, try_one
from .errors import noting
from .event_filters import event_filters, wanted_events
from .follow import follow
from .graceful_shutdown import Stop
from .hanging import calling_handlers
from .options import (
    chosen_receiver,
    chosen_receivers,
    json_option,
    receiver_option,
    shared_ledger,
)
from .output import progress
from .parameters import EventId
from .retry_report import Tally


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp retry\n  flask fd-whatsapp retry --follow\n"
    "  flask fd-whatsapp retry --event 4711\n"
    "  flask fd-whatsapp retry --dead --handler shop.tickets.sync_ticket --error timeout"
)
@click.option("--follow", "follows", is_flag=True, help="Run until SIGTERM or Ctrl-C.")
@click.option("--dead", is_flag=True, help="Revive dead events, and handle them.")
@click.option("--event", "event_id", type=EventId(), help="Handle this event now, due or dead.")
@event_filters
@click.option(
    "--handler", metavar="NAME", help="Only events that this handler has failed on, or postponed."
)
@receiver_option
@json_option
@with_appcontext
def retry(
    follows: bool,
    dead: bool,
    event_id: int | None,
    handler: str | None,
    error: str | None,
    name: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Call the handlers of events that are due, for every receiver; exit 1 if one failed.

    An event is due if a handler failed, its process died, or dispatch is deferred. With --follow,
    new events are dispatched within a second; it stops between two events. Any number of these
    commands may run, on any number of machines.

    With a condition, such as --status or --error, the pending events that meet it are handled now,
    due or not; with --dead the dead ones. Conditions are combined with AND.

    A handler that has not returned after FD_WHATSAPP_HANDLER_SECONDS, or 20 seconds after SIGTERM,
    has failed: exit 75, so that a supervisor starts a new process. An event postponed by a handler
    is shown, but is not a failure.
    """
    if follows + dead + (event_id is not None) > 1:
        raise click.UsageError("Use only one of --follow, --dead and --event.")
    wanted = wanted_events(chosen, name)
    if handler is not None:
        wanted["unhandled_by"] = handler
    is_chosen = dead or error is not None or any(value is not None for value in wanted.values())
    if is_chosen and not dead and (follows or event_id is not None):
        raise click.UsageError("Conditions cannot be combined with --follow and --event.")
    if follows:
        tally = _follow(chosen_receivers(name))
    elif event_id is not None:
        tally = _one(chosen_receiver(name), event_id)
    else:
        state = State.DEAD if dead else State.PENDING
        sweeps = partial(sweep_chosen, wanted={**wanted, "state": state}, error=error)
        tally = _all(chosen_receivers(name), sweeps if is_chosen else sweep)
    tally.show(as_json=as_json)
    if tally.failed or tally.problems:
        raise SystemExit(1)


def _follow(receivers: list[Receiver]) -> Tally:
    with calling_handlers() as stop:
        return follow(receivers, stop)


def _one(receiver: Receiver, event_id: int) -> Tally:
    ledger = shared_ledger(receiver)
    event = find_event(ledger, event_id)
    if event is None:
        raise click.ClickException(f"The ledger of {receiver.name} has no event {event_id}.")
    if event.receiver != receiver.name:
        raise click.ClickException(
            f"Event {event_id} was received by {event.receiver}: choose that receiver with "
            "--receiver, or register one with that name."
        )
    if event.state is State.DEAD:
        ledger.dead_events.revive(event_id)
    elif event.state is State.DONE:
        click.echo(f"Event {event_id} is already done.", err=True)
    tally = Tally()
    with calling_handlers():
        tally.add(receiver, try_one(receiver, event_id))
    return tally


def _all(receivers: list[Receiver], sweeps: Callable[..., Iterator[Swept]]) -> Tally:
    tally = Tally()
    with calling_handlers() as stop:
        with progress(_swept(receivers, stop, tally, sweeps), "Retrying") as shown:
            for _ in shown:
                pass
        tally.was_stopped = stop.is_asked()
    return tally


def _swept(
    receivers: Iterable[Receiver], stop: Stop, tally: Tally, sweeps: Callable[..., Iterator[Swept]]
) -> Iterator[Swept]:
    for receiver in receivers:
        with noting(tally.problems, receiver):
            ledger = shared_ledger(receiver)
            for swept in sweeps(receiver, should_stop=stop.is_asked):
                tally.add(receiver, swept)
                yield swept
            if sweeps is sweep:
                tally.leave(ledger.overview.backlog(receiver=receiver.name))
