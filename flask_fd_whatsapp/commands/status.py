"""``flask fd-whatsapp status``: how the ledger stands, for people and monitors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask.cli import with_appcontext

from ..exceptions import LedgerUnavailable
from ..ledger import Backlog, Rejection
from ..receiver import Receiver
from .errors import explain
from .options import chosen_receivers, json_option, receiver_option, shared_ledger
from .output import many, plain, print_json, span, when
from .parameters import Duration


@dataclass
class _Standing:
    """How the ledger of one receiver stands; without a backlog where it cannot be used."""

    receiver: str
    backlog: Backlog | None = None
    rejections: list[Rejection] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    problems: list[str] = field(default_factory=list)

    def age(self, moment: datetime | None) -> timedelta | None:
        """How long ago that was."""
        return None if moment is None else max(self.now - moment, timedelta())


@click.command(
    epilog="\b\nExample:\n  flask fd-whatsapp status\n"
    "  flask fd-whatsapp status --max-silence 2h --max-pending 1000"
)
@click.option("--max-silence", type=Duration(), help="The longest time without an event: 2h, 3d.")
@click.option("--max-pending", type=click.IntRange(0), help="The most events not handled yet.")
@receiver_option
@json_option
@with_appcontext
def status(
    max_silence: timedelta | None, max_pending: int | None, name: str | None, as_json: bool
) -> None:
    """Show how every receiver stands: what came, what was rejected, what is left to do.

    Exit 1, and tell why, if a ledger cannot be used or a limit that was given is passed: for a
    monitor.
    """
    standings = [_standing(receiver) for receiver in chosen_receivers(name)]
    for standing in standings:
        standing.problems.extend(_passed(standing, max_silence, max_pending))
    if as_json:
        print_json({"receivers": [_as_json(standing) for standing in standings]})
    else:
        for standing in standings:
            _print(standing)
    if any(standing.problems for standing in standings):
        raise SystemExit(1)


def _standing(receiver: Receiver) -> _Standing:
    standing = _Standing(receiver.name)
    try:
        ledger = shared_ledger(receiver)
        backlog = ledger.backlog(receiver=receiver.name)
        standing.rejections = ledger.rejections(receiver=receiver.name)
        standing.backlog = backlog
    except LedgerUnavailable as error:
        standing.problems.append(explain(error))
    return standing


def _passed(
    standing: _Standing, max_silence: timedelta | None, max_pending: int | None
) -> Iterator[str]:
    """The limits that are passed, in words."""
    backlog = standing.backlog
    if backlog is None:
        return
    if max_silence is not None:
        silence = standing.age(backlog.last_received)
        if silence is None:
            yield "no event has been accepted yet."
        elif silence > max_silence:
            yield f"no event for {span(silence)}, which is more than {span(max_silence)}."
    if max_pending is not None and backlog.pending > max_pending:
        yield f"{many(backlog.pending, 'event')} pending, which is more than {max_pending}."


def _as_json(standing: _Standing) -> dict[str, Any]:
    backlog = standing.backlog
    rejections = [_rejection(rejection) for rejection in standing.rejections]
    return {
        "receiver": standing.receiver,
        "last_accepted": backlog and backlog.last_received,
        "last_rejected": rejections[0] if rejections else None,
        "rejections": rejections,
        "pending": backlog and backlog.pending,
        "oldest_pending": backlog and backlog.oldest_pending,
        "oldest_pending_seconds": backlog and standing.age(backlog.oldest_pending),
        "next_due": backlog and backlog.next_due,
        "dead": backlog and backlog.dead,
        "quarantined": backlog and backlog.quarantined,
        "ignored": backlog and backlog.ignored,
        "problems": standing.problems,
    }


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return {
        "at": rejection.last_seen,
        "reason": rejection.reason,
        "status_code": rejection.status_code,
        "detail": rejection.detail,
    }


def _print(standing: _Standing) -> None:
    click.echo(f"Receiver {standing.receiver}")
    backlog = standing.backlog
    if backlog is not None:
        oldest = standing.age(backlog.oldest_pending)
        last_rejected = standing.rejections[0].last_seen if standing.rejections else None
        click.echo(f"  Last accepted: {_ago(standing, backlog.last_received)}")
        click.echo(f"  Last rejected: {_ago(standing, last_rejected)}")
        for one in standing.rejections:
            age = span(standing.age(one.last_seen) or timedelta())
            click.echo(plain(f"    {one.status_code} {one.reason}, {age} ago: {one.detail}"))
        click.echo(f"  Pending: {backlog.pending}{f', for {span(oldest)}' if oldest else ''}")
        click.echo(f"  Dead: {backlog.dead}")
        click.echo(f"  Quarantined: {backlog.quarantined} (and {backlog.ignored} ignored)")
    for problem in standing.problems:
        click.echo(plain(f"Problem: {standing.receiver}: {problem}"))


def _ago(standing: _Standing, moment: datetime | None) -> str:
    age = standing.age(moment)
    return "never" if age is None else f"{when(moment)} ({span(age)} ago)"
