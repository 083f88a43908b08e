"""``flask fd-whatsapp replay``: calls one handler with past events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

import click
from flask import Flask
from flask.cli import with_appcontext

from ..events import Status, StatusEvent
from ..handlers import handlers_of
from ..ledger import Event, EventFilter, State
from ..receiver import Receiver
from ..signals import signals_of, status_changed
from .options import chosen_receiver, json_option, receiver_option, shared_ledger
from .output import many, plain, print_json, progress, when
from .parameters import Moment
from .stopping import stopping

BATCH: Final = 1000

_KNOWN: Final = frozenset(Status)
_UNKNOWN: Final = "-"

_WORDS: Final = {True: "succeeded", False: "failed", None: "skipped"}


@dataclass
class _Plan:
    """The events to call the handler with, oldest first."""

    ids: list[Any] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, event: Event) -> None:
        self.ids.append(event.id)
        self.first = self.first or event.received_at
        self.last = event.received_at


@click.command(
    epilog="\b\nExample:\n  flask fd-whatsapp replay --handler tickets --since 30d --dry-run\n"
    "  flask fd-whatsapp replay --handler status_changed:shop.tickets.sync_ticket"
)
@click.option("--handler", required=True, metavar="NAME", help="Its name, as check lists it.")
@click.option("--since", type=Moment(), help="Received at or after: ISO (UTC), or 2h, 3d ago.")
@click.option("--until", type=Moment(), help="Received before this.")
@click.option("--dry-run", is_flag=True, help="Show how many events, and call nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@receiver_option
@json_option
@with_appcontext
def replay(
    handler: str,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    yes: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Call one handler with past events, oldest first: a new handler catches up.

    One of status_changed is called with each message's last step only, since it never moves back.

    Where it has succeeded it is not called again, so that an interrupted replay can be run again.
    Events that are pending are left to retry. Exit 1 if the handler failed on one, or if it was
    stopped (SIGTERM, Ctrl-C) before the end.
    """
    receiver = chosen_receiver(name)
    _require_known(receiver.app, handler)
    shared_ledger(receiver)
    period: EventFilter = {"since": since, "until": until}
    plan = _plan(receiver, handler, period)
    if not dry_run and plan.ids and not yes:
        click.confirm(f"{_describe(plan, handler)} Go on?", abort=True, err=True)
    results: Counter[str] = Counter()
    is_complete = True
    if not dry_run:
        is_complete = _run(receiver, handler, plan, results)
    if as_json:
        print_json(
            {
                "handler": handler,
                "events": len(plan.ids),
                "first": plan.first,
                "last": plan.last,
                "results": dict(results),
            }
        )
    elif dry_run or not plan.ids:
        click.echo(_describe(plan, handler))
    else:
        counted = ", ".join(f"{count} {word}" for word, count in results.items())
        click.echo(f"{counted or 'None was called'}.")
    if not is_complete:
        click.echo("Stopped before the end: run it again to go on.", err=True)
    if results["failed"] or not is_complete:
        raise SystemExit(1)


class _Kind(NamedTuple):
    """What decides which handlers an event is for."""

    status: str
    is_stale: bool = False
    is_superseded: bool = False

    @classmethod
    def of(cls, event: Event) -> _Kind:
        status = event.status if event.status in _KNOWN else _UNKNOWN
        return cls(status, event.is_stale, event.is_superseded)


def _names_by_kind(app: Flask) -> Callable[[_Kind], frozenset[str]]:
    """Gives the names of the handlers that an event of a kind is for."""

    @cache
    def names(kind: _Kind) -> frozenset[str]:
        event = StatusEvent(
            account_id="-",
            message_id="-",
            status=kind.status,
            timestamp=datetime.min.replace(tzinfo=UTC),
            is_stale=kind.is_stale,
        )
        return frozenset(
            handler.name
            for handler in handlers_of(signals_of(event), app)
            if not (kind.is_superseded and handler.signal is status_changed)
        )

    return names


def _require_known(app: Flask, handler: str) -> None:
    names = _names_by_kind(app)
    known = {
        name
        for status in (*Status, _UNKNOWN)
        for is_stale in (False, True)
        for name in names(_Kind(status, is_stale))
    }
    if handler not in known:
        listed = "".join(f"\n  {name}" for name in sorted(known)) or " none"
        raise click.UsageError(f"There is no handler {plain(handler)!r}. Connected are:{listed}")


def _plan(receiver: Receiver, handler: str, period: EventFilter) -> _Plan:
    names = _names_by_kind(receiver.app)
    plan = _Plan()
    for event in _events(receiver, {**period, "unhandled_by": handler}):
        if event.state is not State.PENDING and handler in names(_Kind.of(event)):
            plan.add(event)
    return plan


def _events(receiver: Receiver, wanted: EventFilter) -> Iterator[Event]:
    last: Any = 0
    wanted = {**wanted, "receiver": receiver.name, "limit": BATCH}
    while batch := receiver.ledger.events(**{**wanted, "after": last}):
        yield from batch
        last = batch[-1].id


def _describe(plan: _Plan, handler: str) -> str:
    if not plan.ids:
        return f"There is no past event that {handler} has still to be called with."
    return (
        f"{many(len(plan.ids), 'event')} for {handler} to be called with, received from "
        f"{when(plan.first)} to {when(plan.last)}."
    )


def _run(receiver: Receiver, handler: str, plan: _Plan, results: Counter[str]) -> bool:
    """Call the handler; whether that went on to the end."""
    with stopping() as stop, progress(plan.ids, "Replaying", len(plan.ids)) as shown:
        for event_id in shown:
            if stop.is_asked():
                return False
            results[_WORDS[receiver.replay(event_id, handler)]] += 1
    return True
