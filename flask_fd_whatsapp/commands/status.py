"""``flask fd-whatsapp status``: shows the state of every receiver, for people and monitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import click
from flask.cli import with_appcontext

from ..exceptions import LedgerUnavailable
from ..ledger import Rejection
from ..ledger.patience import PAGE_SECONDS, waiting_at_most
from ..ledger.records import receiver_and_key
from ..monitoring.attention import Limits, findings, limits_of, problems
from ..monitoring.standing import Standing, standing_of
from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver
from .account_options import account_filter, required_account
from .event_list import describe
from .options import chosen_receivers, json_option, receiver_option, shared_ledger
from .output import plain, print_json, span, when
from .parameters import OFF, Duration, OrOff

F = TypeVar("F", bound=Callable[..., Any])

_FAILING_SHOWN: Final = 5
"""The number of accounts with a failed last reconciliation that are shown."""

_COUNT: Final = OrOff(click.IntRange(0), "a whole number such as 0 or 100")
_LENGTH: Final = OrOff(Duration(), "a length of time such as 90s, 15m, 2h, 3d or 1d12h")

_LIMITS: Final = {
    "--max-dead": (_COUNT, "How many dead events may be unacknowledged.  [default: 0]"),
    "--max-rejected": (
        _LENGTH,
        "How much newer a rejection may be than the last accepted event.  [default: 0s]",
    ),
    "--max-overdue": (_LENGTH, "How long an event may be overdue.  [default: 15m]"),
    "--max-failing": (_LENGTH, "How long an event's handlers may keep failing.  [default: 1h]"),
    "--max-handling": (
        _LENGTH,
        "How long handling one event may take.  [default: FD_WHATSAPP_HANDLER_SECONDS]",
    ),
    "--max-unheard": (
        _LENGTH,
        "How long after a send the next webhook may take to arrive.  [default: 10m]",
    ),
    "--max-told": (
        _COUNT,
        "How many events only the API may have reported in the last 24 hours.  [default: 0]",
    ),
    "--max-silence": (_LENGTH, "How long there may be no event: 2h, 3d.  [default: off]"),
    "--max-pending": (_COUNT, "How many events may be pending.  [default: off]"),
}


_MOST_REJECTIONS: Final = 20
"""There may be a thousand accounts: JSON has all of them."""


def _limit_options(command: F) -> F:
    for option, (kind, text) in reversed(_LIMITS.items()):
        command = click.option(option, type=kind, help=text)(command)
    return command


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp status\n"
    "  flask fd-whatsapp status --max-silence 2h --max-pending 1000 --max-failing off"
)
@click.option(
    "--trial-write/--no-trial-write",
    default=True,
    help="Test a write to the ledger, and settle unknown sends.  [default: yes]",
)
@_limit_options
@account_filter
@receiver_option
@json_option
@with_appcontext
def status(
    trial_write: bool, account_id: str | None, name: str | None, as_json: bool, **given: Any
) -> None:
    """Show the state of every receiver: what was received, what was rejected, what is pending.

    Exit 1, with the reasons, if something needs attention, for use by a monitor: a ledger that
    cannot be used, or a limit that is exceeded. Each limit can be set, and switched off with "off".
    """
    chosen = {
        option: None if limit == OFF else limit
        for option, limit in {**given, "trial_write": True if trial_write else OFF}.items()
        if limit is not None
    }
    unwritable: dict[int, str | None] = {}
    with waiting_at_most(PAGE_SECONDS):
        standings = [
            (
                receiver,
                _standing(receiver, unwritable if trial_write else None, limits),
                limits,
            )
            for receiver in _chosen(name, account_id)
            for limits in [limits_of(receiver, **chosen)]
        ]
    if as_json:
        print_json({"receivers": [_as_json(*one) for one in standings]})
    else:
        for one in standings:
            _print(*one)
    if any(problems(standing, limits) for _, standing, limits in standings):
        raise SystemExit(1)


def _chosen(name: str | None, account_id: str | None) -> list[Receiver]:
    """The receivers, or the one account."""
    if account_id is None:
        return chosen_receivers(name)
    return [required_account(account_id, name)]


def _standing(
    receiver: Receiver, unwritable: dict[int, str | None] | None, limits: Limits
) -> Standing:
    """Return the state of a receiver.

    :param unwritable: by the ``id`` of each ledger tested so far, why it cannot be written, so that
        a shared one is tested only once; ``None`` to test none.
    """
    try:
        ledger = shared_ledger(receiver)
    except LedgerUnavailable as error:
        return Standing.unknown(receiver.name, error)
    tries = unwritable is not None and id(ledger) not in unwritable
    if tries:
        with suppress(LedgerUnavailable):  # what is wrong with it is found next
            ledger.send_record.settle()
    standing = standing_of(receiver, ledger, tries_to_write=tries, max_rejected=limits.max_rejected)
    if unwritable is None or standing.unreadable is not None:
        return standing
    if tries:
        unwritable[id(ledger)] = standing.unwritable
    return replace(standing, unwritable=unwritable[id(ledger)])


def _as_json(receiver: Receiver, standing: Standing, limits: Limits) -> dict[str, Any]:
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
        "being_handled": [asdict(one) for one in standing.being_handled],
        "postponed": backlog and backlog.postponed,
        "most_postponed": standing.most_postponed and asdict(standing.most_postponed),
        "dead": backlog and backlog.dead,
        "unacknowledged": backlog and backlog.unacknowledged,
        "unknown_sends": standing.sends.unknown,
        "unheard_since": standing.sends.unheard_since,
        "told_by_api": standing.told,
        "reconciliations": [{**asdict(run), "is_good": run.is_good} for run in standing.reconciled],
        "quarantined": backlog and backlog.quarantined,
        "ignored": backlog and backlog.ignored,
        "tokens": [
            {"header": header, "position": position, "last_used": use and use.last_used}
            for header, position, use in standing.tokens(receiver.settings.headers)
        ],
        "rules": [asdict(finding) for finding in findings(standing, limits)],
        "problems": problems(standing, limits),
    }


def _of_account(receiver: Receiver, rejection: Rejection) -> str:
    """Which of many accounts it was, with what people call it."""
    if receiver.accounts is None or rejection.receiver == receiver.name:
        return ""
    _, key = receiver_and_key(rejection.receiver)
    try:
        found = receiver.accounts.find(key)
    except AccountsUnavailable:
        found = None
    name = f" ({found.account_name})" if found is not None and found.account_name else ""
    return f" of account {key}{name}"


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return {
        "receiver": rejection.receiver,
        "at": rejection.last_seen,
        "reason": rejection.reason,
        "has_no_header": rejection.has_no_header,
        "status_code": rejection.status_code,
        "detail": rejection.detail,
    }


def _print(receiver: Receiver, standing: Standing, limits: Limits) -> None:
    click.echo(f"Receiver {standing.receiver}")
    backlog = standing.backlog
    if backlog is not None:
        oldest = standing.age(backlog.oldest_pending)
        last_rejected = standing.rejections[0].last_seen if standing.rejections else None
        click.echo(f"  Last accepted: {_ago(standing, backlog.last_received)}")
        click.echo(f"  Last rejected: {_ago(standing, last_rejected)}")
        for one in standing.rejections[:_MOST_REJECTIONS]:
            age = span(standing.age(one.last_seen) or timedelta())
            what = f"{one.status_code} {one.reason}{_of_account(receiver, one)}"
            click.echo(plain(f"    {what}, {age} ago: {one.detail}"))
        if len(standing.rejections) > _MOST_REJECTIONS:
            click.echo(f"    and {len(standing.rejections) - _MOST_REJECTIONS} more: see --json")
        click.echo(f"  Pending: {backlog.pending}{f', for {span(oldest)}' if oldest else ''}")
        for handled in standing.being_handled:
            age = span(standing.age(handled.since) or timedelta())
            what = f"event {handled.event_id}, {handled.status} of {handled.message_id}"
            click.echo(plain(f"    being handled for {age}: {what}"))
        if standing.most_postponed is not None:
            most = describe(standing.most_postponed)
            click.echo(f"Postponed by a handler: {backlog.postponed}. Postponed most often: {most}")
        click.echo(f"  Dead: {backlog.dead} ({backlog.unacknowledged} not acknowledged)")
        if standing.sends.unknown:
            click.echo(f"  Unknown sends: {standing.sends.unknown} (`flask fd-whatsapp sends`)")
        for line in _reconciled(standing):
            click.echo(plain(f"  {line}"))
        click.echo(f"  Quarantined: {backlog.quarantined} (and {backlog.ignored} ignored)")
        for header, position, use in standing.tokens(receiver.settings.headers):
            last = _ago(standing, None if use is None else use.last_used)
            click.echo(plain(f"  {header}, entry {position} of its list: last used {last}"))
    for problem in problems(standing, limits):
        click.echo(plain(f"Problem: {standing.receiver}: {problem}"))


def _reconciled(standing: Standing) -> Iterator[str]:
    """Yield when the last reconciliation was; of many accounts, those that need attention most."""
    runs = standing.reconciled
    if runs:
        good = _ago(standing, runs[0].good_at)
        is_account = runs[0].receiver != standing.receiver
        yield f"Reconciled: {good}{f', {runs[0].receiver}' if is_account else ''}"
    if len(runs) > 1:
        yield f"  (of {len(runs)} accounts, the one that was longest ago)"
    failing = [run for run in runs if not run.is_good]
    for run in failing[:_FAILING_SHOWN]:
        whose = "" if run.receiver == standing.receiver else f" of {run.receiver}"
        age = span(standing.age(run.ended_at) or timedelta())
        reason = run.stopped or "no reason kept"
        yield f"  The last run{whose}, {age} ago, could not ask Freshdesk: {reason}"
    if len(failing) > _FAILING_SHOWN:
        yield f"  and {len(failing) - _FAILING_SHOWN} more: --json has all of them."


def _ago(standing: Standing, moment: datetime | None) -> str:
    age = standing.age(moment)
    return "never" if age is None else f"{when(moment)} ({span(age)} ago)"
