"""``flask fd-whatsapp replay``: calls one handler with past events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

import click
from flask import Flask
from flask.cli import with_appcontext

from ..events import Status, StatusEvent
from ..handling.handlers import handlers_of
from ..ledger import Event, EventFilter, State
from ..receiving import resuming
from ..receiving.receiver import Receiver
from ..receiving.sweep import has_error
from ..signals import signals_of, status_changed
from .event_filters import event_filters, wanted_events
from .graceful_shutdown import stopping
from .hanging import calling_handlers
from .options import chosen_receiver, json_option, receiver_option, shared_ledger
from .output import many, print_json, progress, quoted, when
from .parameters import POSITIVE
from .replay_lease import ReplayLease, only_replay

BATCH: Final = 1000

_KNOWN: Final = frozenset(Status)
_UNKNOWN: Final = "-"

_WORDS: Final = {True: "succeeded", False: "failed", None: "skipped"}


@dataclass
class _Plan:
    """How many events to call the handler with, and the last of them."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    last_id: Any = None

    def add(self, event: Event) -> None:
        self.count += 1
        self.first = self.first or event.received_at
        self.last = event.received_at
        self.last_id = max(self.last_id or event.id, event.id)


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp replay --handler tickets --since 30d --dry-run\n"
    "  flask fd-whatsapp replay --handler status_changed:shop.tickets.sync_ticket"
)
@click.option(
    "--handler", required=True, metavar="NAME", help="The handler's name, as listed by check."
)
@event_filters
@click.option("--dry-run", is_flag=True, help="Show how many events there are, and call nothing.")
@click.option(
    "--rate",
    type=POSITIVE,
    help="At most this many events per second.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@receiver_option
@json_option
@with_appcontext
def replay(
    handler: str,
    error: str | None,
    dry_run: bool,
    rate: float | None,
    yes: bool,
    name: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Call one handler with past events, oldest first, so that a new handler catches up.

    A status_changed handler is called only with each message's latest step, since it never moves
    back.

    Events on which the handler already succeeded are skipped, so an interrupted replay can be run
    again. Pending events are left to retry. A handler is replayed by one process at a time. Exit 1
    if the handler failed on an event, or if the replay was stopped (SIGTERM, Ctrl-C) before the
    end. Exit 75 if the handler hangs (FD_WHATSAPP_HANDLER_SECONDS).
    """
    receiver = chosen_receiver(name)
    _require_known(receiver.app, handler)
    shared_ledger(receiver)
    conditions = wanted_events(chosen, name)
    wanted, results, is_complete = (
        _Wanted(receiver, handler, conditions, error),
        Counter[str](),
        True,
    )
    with nullcontext() if dry_run else only_replay(receiver, handler) as lease:
        plan = _plan(wanted)
        if lease is not None and plan.count:
            if not yes:
                click.confirm(f"{_describe(plan, handler)} Continue?", abort=True, err=True)
            is_complete = _run(wanted, plan, lease, rate, results)
    if as_json:
        print_json(
            {
                "handler": handler,
                "events": plan.count,
                "first": plan.first,
                "last": plan.last,
                "results": dict(results),
            }
        )
    elif dry_run or not plan.count:
        click.echo(_describe(plan, handler))
    else:
        counted = ", ".join(f"{count} {word}" for word, count in results.items())
        click.echo(f"{counted or 'Nothing was called'}.")
    if not is_complete:
        click.echo("Stopped before the end: run it again to continue.", err=True)
    if results["failed"] or not is_complete:
        raise SystemExit(1)


class _Kind(NamedTuple):
    """What determines the handlers of an event."""

    status: str
    is_stale: bool = False
    is_superseded: bool = False

    @classmethod
    def of(cls, event: Event) -> _Kind:
        status = event.status if event.status in _KNOWN else _UNKNOWN
        return cls(status, event.is_stale, event.is_superseded)


def _names_by_kind(app: Flask) -> Callable[[_Kind], frozenset[str]]:
    """Return a function that returns the names of the handlers for an event of a kind."""

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
        raise click.UsageError(f"There is no handler {quoted(handler)}. Connected are:{listed}")


class _Wanted:
    """The past events that a handler has not been called with yet."""

    def __init__(
        self, receiver: Receiver, handler: str, conditions: EventFilter, error: str | None
    ) -> None:
        self.receiver = receiver
        self.handler = handler
        self._error = error
        self._names = _names_by_kind(receiver.app)
        self._wanted: EventFilter = {
            **conditions,
            "unhandled_by": handler,
            "receiver": receiver.name,
            "limit": BATCH,
        }

    def has(self, event: Event) -> bool:
        """Whether an event is for the handler, and settled."""
        is_settled = event.state is not State.PENDING and has_error(event, self._error)
        return is_settled and self.handler in self._names(_Kind.of(event))

    def past(self) -> Iterator[Event]:
        """Yield those on which the handler has not succeeded, oldest first, page by page."""
        last: Any = 0
        while batch := self.receiver.ledger.events(**{**self._wanted, "after": last}):
            yield from batch
            last = batch[-1].id


def _plan(wanted: _Wanted) -> _Plan:
    plan = _Plan()
    with stopping() as stop, progress(wanted.past(), "Looking for past events") as looked_at:
        for event in looked_at:
            if stop.is_asked():
                raise click.ClickException("Stopped while looking for events: nothing was called.")
            if wanted.has(event):
                plan.add(event)
    return plan


def _describe(plan: _Plan, handler: str) -> str:
    if not plan.count:
        return f"There is no past event left to call {handler} with."
    return (
        f"{many(plan.count, 'event')} for {handler} to be called with, received from "
        f"{when(plan.first)} to {when(plan.last)}."
    )


def _run(
    wanted: _Wanted, plan: _Plan, lease: ReplayLease, rate: float | None, results: Counter[str]
) -> bool:
    """Call the handler; return whether it continued to the end."""
    planned = (event for event in wanted.past() if wanted.has(event))
    apart, next_at = 1 / rate if rate else 0.0, 0.0
    with (
        calling_handlers() as stop,
        progress(planned, "Replaying", plan.count) as shown,
    ):
        for event in shown:
            if event.id > plan.last_id:
                continue  # it arrived in the meantime, with the handler connected
            now = time.monotonic()
            stop.wait(max(0.0, next_at - now))
            next_at = max(now, next_at) + apart
            if lease.is_lost:
                click.echo("Another process has begun to replay this handler.", err=True)
            if lease.is_lost or stop.is_asked():
                return False
            results[_WORDS[resuming.replay(wanted.receiver, event.id, wanted.handler)]] += 1
    return True
