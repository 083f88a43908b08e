"""``flask fd-whatsapp reconcile``: asks Freshdesk for what the webhook has not reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TextIO

import click
from flask.cli import with_appcontext

from ..exceptions import LedgerUnavailable
from ..log_fields import get_logger, log_fields
from ..receiving.receiver import Receiver
from .account_options import account_option, chosen_account
from .graceful_shutdown import Stop
from .hanging import calling_handlers
from .options import json_option, receiver_option, receivers, shared_ledger
from .output import many, plain, print_json, progress
from .parameters import AT_MOST, Duration, Moment
from .periods import in_order

if TYPE_CHECKING:
    from ..freshdesk.reconciliation import Reconciliation

logger = get_logger(__name__)

POLL_SECONDS: Final = 30.0
"""How long ``--follow`` waits between two runs."""


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp reconcile\n  flask fd-whatsapp reconcile --follow\n"
    "  flask fd-whatsapp reconcile --recheck --since 3d\n"
    "  flask fd-whatsapp reconcile --ids sent.txt --dry-run"
)
@click.option("--follow", "follows", is_flag=True, help="Run until SIGTERM or Ctrl-C.")
@click.option(
    "--stuck-for",
    type=Duration(),
    default=timedelta(hours=1),
    help="Ask about messages without an event for this long.  [default: 1h]",
)
@click.option(
    "--recheck",
    is_flag=True,
    help="Also ask about DELIVERED and FAILED messages, as after an outage.",
)
@click.option(
    "--since",
    type=Moment(),
    help="Only messages first seen at or after this: ISO (UTC), or 3d ago.",
)
@click.option("--until", type=Moment(), help="Only messages first seen before this.")
@click.option(
    "--ids", type=click.File(), help="Ask about the messages with these ids, one per line."
)
@click.option(
    "--dry-run", is_flag=True, help="Make no calls; count the messages that would be asked about."
)
@click.option("--limit", type=AT_MOST, help="Ask about at most this many.")
@receiver_option
@account_option
@json_option
@with_appcontext
def reconcile(
    follows: bool,
    stuck_for: timedelta,
    recheck: bool,
    since: datetime | None,
    until: datetime | None,
    ids: TextIO | None,
    dry_run: bool,
    limit: int | None,
    name: str | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Ask Freshdesk about messages that no event has arrived for, and handle what it reports.

    These have no status, or are QUEUED or SENT; oldest first, again after 15 minutes, 1, 6 and 24
    hours, then daily, for up to 30 days. --recheck includes DELIVERED and FAILED: a lost READ is
    found no other way. Any number of these commands may run at once; each message is asked about by
    one of them. A run ends early when few of the account's API calls are left.

    Exit 1, with the reason, if Freshdesk could not be asked: it rejected the key, gave no usable
    answer, or five unusable ones in a row, or the last webhook came from a different account than
    the API's. A run that stops at --limit is complete in this sense.

    Exit 75 if a handler has not returned after FD_WHATSAPP_HANDLER_SECONDS, or 20 seconds after
    SIGTERM: it has failed, and a supervisor should start a new process.
    """
    in_order(since, until)
    if follows and (recheck or dry_run or ids is not None or limit is not None):
        raise click.UsageError(
            "--follow runs continuously; --recheck, --ids, --dry-run and --limit are for a single "
            "run."
        )
    receiver = _chosen(name, account)
    options: dict[str, Any] = {
        "stuck_for": stuck_for,
        "is_recheck": recheck,
        "since": since,
        "until": until,
        "ids": None if ids is None else [line.strip() for line in ids if line.strip()],
        "is_dry_run": dry_run,
        "limit": limit,
    }
    with calling_handlers() as stop:
        result = _follow(receiver, stop, options) if follows else _once(receiver, stop, options)
    _show(result, as_json=as_json)
    if result.problem is not None:
        raise SystemExit(1)


def _chosen(name: str | None, account: str | None) -> Receiver:
    """The receiver of that name or account, or the only one with an API key."""
    having = [one for one in receivers().values() if one.settings.api_key is not None]
    is_plain = name is None and account is None and len(having) == 1
    return having[0] if is_plain else chosen_account(name, account)


def _once(receiver: Receiver, stop: Stop, options: dict[str, Any]) -> Reconciliation:
    from ..freshdesk.reconciler import Reconciler  # needs an extra

    shared_ledger(receiver)
    reconciler = Reconciler(receiver, should_stop=stop.is_asked, **options)
    with progress(reconciler.run(), "Asking") as shown:
        _exhaust(shown)
    return reconciler.result


def _follow(receiver: Receiver, stop: Stop, options: dict[str, Any]) -> Reconciliation:
    from ..freshdesk.reconciler import Reconciler  # needs an extra
    from ..freshdesk.reconciliation import Reconciliation

    click.echo(f"Following {receiver.name}: stop with SIGTERM or Ctrl-C.", err=True)
    total = Reconciliation()
    is_down = has_given_up = False
    while not stop.is_asked() and not has_given_up:
        reconciler = Reconciler(receiver, should_stop=stop.is_asked, result=total, **options)
        try:
            _exhaust(reconciler.run())
            is_down = False
        except LedgerUnavailable as error:
            if not is_down:
                logger.critical(
                    "The ledger of %s is unavailable; waiting for it: %s",
                    receiver.name,
                    error,
                    extra=log_fields(receiver=receiver.name),
                )
            is_down = True
        has_given_up = reconciler.has_given_up
        if not has_given_up:
            stop.wait(POLL_SECONDS)
    return total


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def _show(result: Reconciliation, *, as_json: bool) -> None:
    if as_json:
        print_json({"asked": result.asked, **asdict(result)})
        return
    counts = {told.value: count for told, count in result.counts.items()}
    if counts["would_ask"]:
        click.echo(f"Would ask about {many(counts['would_ask'], 'message')}.")
    else:
        click.echo(
            f"Asked about {many(result.asked, 'message')}: {counts['changed']} changed, "
            f"{counts['unchanged']} unchanged, {counts['not_found']} not found, "
            f"{counts['no_answer']} without an answer."
        )
        if counts["refused"]:
            click.echo(
                f"{many(counts['refused'], 'answer')} refused by the schema: `flask fd-whatsapp "
                "quarantine list` has them."
            )
    if result.settled:
        click.echo(f"Settled {many(result.settled, 'unknown send')}.")
    if result.problem is not None:
        click.echo(plain(f"Could not ask: {result.problem}"), err=True)
    elif result.stopped is not None:
        click.echo(plain(f"Ended early: {result.stopped}. Run it again for the rest."), err=True)
