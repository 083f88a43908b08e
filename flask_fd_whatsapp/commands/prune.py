"""``flask fd-whatsapp prune``: deletes old, finished messages."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

import click
from flask.cli import with_appcontext

from ..ledger import Ledger
from ..receiving.receiver import Receiver
from .account_options import accounts_of
from .errors import note, noting
from .graceful_shutdown import Stop, stopping
from .options import chosen_receivers, json_option, receiver_option, shared_ledger
from .output import many, plain, print_json, progress
from .replay_rate import Pace


@click.command(epilog="Example: flask fd-whatsapp prune")
@receiver_option
@click.option(
    "--unregistered",
    is_flag=True,
    help="Also delete what receivers received that are not, or no longer, registered here.",
)
@click.option(
    "--compact", is_flag=True, help="Also reclaim the disk space, and say what that locks."
)
@json_option
@with_appcontext
def prune(name: str | None, unregistered: bool, compact: bool, as_json: bool) -> None:
    """Delete old, finished messages.

    These are messages with no event for FD_WHATSAPP_RETENTION_DAYS, together with their events.
    Works in small batches with pauses, so that other writers hardly wait. Unfinished events stay;
    the quarantine has a limit of its own.

    Each receiver's own setting applies, and each Account's. Messages that reached several receivers
    are kept for the longest retention of their account among the receivers of their ledger; with
    --receiver they stay.

    Messages of receivers that this application has not registered stay, since they may belong to
    another application. If nobody needs them, --unregistered deletes them after that longest
    retention.

    If an account cannot be looked up, all messages that may be its own stay, since nobody knows for
    how long it keeps them. Those of the other accounts are deleted; exit 1.
    """
    if unregistered and name is not None:
        raise click.UsageError("--unregistered applies to all receivers: remove --receiver.")
    forgotten: dict[str, int] = {}
    databases: list[dict[str, Any]] = []
    problems: list[str] = []
    sharing: dict[Hashable, list[_Pruned]] = {}
    unusable: list[str] = []
    with stopping() as stop:
        for receiver in chosen_receivers(name):
            with noting(unusable, receiver):
                ledger = shared_ledger(receiver)
                kept = _kept(receiver, problems)
                sharing.setdefault(_database_of(ledger), []).append(_Pruned(receiver, ledger, kept))
                label = f"Pruning {receiver.name}"
                totals = _totals(ledger, _passes(kept), stop, receiver.name)
                for total in _shown(label, totals):
                    forgotten[receiver.name] = total
        problems += unusable
        # Without one receiver's ledger, the retention of the rest is unknown.
        if name is None and not unusable:
            for together in sharing.values():
                databases.append(_prune_rest(together, stop, problems, unregistered=unregistered))
        if compact:
            _compact(sharing.values(), problems, stop)
    if as_json:
        print_json({"forgotten": forgotten, "databases": databases, "problems": problems})
    else:
        _tell(forgotten, databases, unregistered=unregistered)
    if problems:
        raise SystemExit(1)


class _Kept(NamedTuple):
    """For how many days messages are kept.

    :param days: those of an account that is not named.
    :param own: those of an account, by its id.
    :param is_complete: whether all accounts could be looked up; else nothing is known of others.
    """

    days: int
    own: Mapping[str, int]
    is_complete: bool


class _Pruned(NamedTuple):
    receiver: Receiver
    ledger: Ledger
    kept: _Kept


def _prune_rest(
    together: list[_Pruned],
    stop: Stop,
    problems: list[str],
    *,
    unregistered: bool,
) -> dict[str, Any]:
    """Delete messages that reached several receivers of one database, or none; return the counts.

    :param unregistered: also messages that reached none that is registered.
    """
    receiver, ledger, _ = max(together, key=lambda one: one.kept.days)
    names = [one.receiver.name for one in together]
    kept = _kept_together([one.kept for one in together])
    rest = {
        "receivers": names,
        "retention_days": kept.days,
        "also_forgotten": 0,
        "unregistered": [],
    }
    whose = None if unregistered else names
    with noting(problems, receiver):
        for total in _shown("Pruning the rest", _totals(ledger, _passes(kept), stop, whose)):
            rest["also_forgotten"] = total
        rest["unregistered"] = [one for one in ledger.overview.receivers() if one not in names]
    return rest


def _tell(
    forgotten: Mapping[str, int], databases: Iterable[Mapping[str, Any]], *, unregistered: bool
) -> None:
    for receiver_name, total in forgotten.items():
        click.echo(f"{receiver_name}: {_in_words(total)} pruned.")
    for rest in databases:
        if rest["also_forgotten"]:
            click.echo(_told(rest))
        if rest["unregistered"] and not unregistered:
            click.echo(_hint(rest))


def _compact(ledgers: Iterable[list[_Pruned]], problems: list[str], stop: Stop) -> None:
    """Compact each database once."""
    for (receiver, ledger, _), *_ in ledgers:
        if stop.is_asked():
            return
        with noting(problems, receiver):
            if ledger.maintenance.compacts:
                click.echo(f"Compacting {receiver.name}: {ledger.maintenance.compacts}", err=True)
            ledger.maintenance.compact()


def _database_of(ledger: Ledger) -> Hashable:
    """The same for ledgers in one database."""
    engine = getattr(ledger, "engine", None)
    return id(ledger) if engine is None else engine.url


def _kept(receiver: Receiver, problems: list[str]) -> _Kept:
    """Return for how long a receiver keeps messages, noting accounts that cannot be looked up."""
    found = accounts_of(receiver)
    own: dict[str, int] = {}
    for one in found.accounts:
        days = one.settings.retention_days
        for account_id in one.settings.account_ids or ():
            own[account_id] = max(days, own.get(account_id, days))
    for error in found.problems:
        note(problems, error)
    return _Kept(receiver.settings.retention_days, own, is_complete=not found.problems)


def _kept_together(kept: Sequence[_Kept]) -> _Kept:
    """Return the longest time for which one of several receivers keeps each account's messages."""
    partly = [one for one in kept if not one.is_complete]
    own = {
        account_id: max(one.own.get(account_id, one.days) for one in kept)
        for account_id in {account_id for one in kept for account_id in one.own}
        # A receiver that does not know all its accounts may keep any other for longer.
        if all(account_id in one.own for one in partly)
    }
    return _Kept(max(one.days for one in kept), own, is_complete=not partly)


Pass = tuple[int, dict[str, Collection[str]]]


def _passes(kept: _Kept) -> list[Pass]:
    """Return for how many days the messages of which accounts are kept."""
    ids: dict[int, list[str]] = {}
    for account_id, days in kept.own.items():
        ids.setdefault(days, []).append(account_id)
    if not kept.is_complete:
        return [(days, {"account_ids": of_these}) for days, of_these in ids.items()]
    ids.pop(kept.days, None)
    own: list[Pass] = [(days, {"account_ids": of_these}) for days, of_these in ids.items()]
    return [*own, (kept.days, {"except_accounts": list(chain(*ids.values()))})]


def _totals(
    ledger: Ledger, passes: Iterable[Pass], stop: Stop, whose: str | Collection[str] | None
) -> Iterator[int]:
    """Delete one batch after the other, and yield each time the total number of messages.

    :param whose: the receivers whose messages are deleted, ``None`` for any.
    """
    total = 0
    pace = Pace()
    for days, accounts in passes:
        before = datetime.now(UTC) - timedelta(days=days)
        count = 1
        while count and not stop.is_asked():  # fewer than requested: others may be locked
            begun = time.monotonic()
            count = ledger.maintenance.prune(
                before=before, limit=pace.size, receiver=whose, **accounts
            )
            total += count
            yield total
            if count:
                stop.wait(pace.pause(time.monotonic() - begun))


def _shown(label: str, totals: Iterator[int]) -> Iterator[int]:
    with progress(totals, label, show=_in_words) as shown:
        yield from shown


def _in_words(total: int | None) -> str:
    return many(total or 0, "message")


def _told(rest: Mapping[str, Any]) -> str:
    return (
        f"{_in_words(rest['also_forgotten'])} of several receivers, or of receivers that are not "
        f"registered, pruned: kept for {rest['retention_days']} days, the longest of "
        f"{', '.join(rest['receivers'])}."
    )


def _hint(rest: Mapping[str, Any]) -> str:
    return (
        "Kept, since they may belong to another application: messages of receivers that are not "
        f"registered here ({plain(', '.join(rest['unregistered']))}). If nobody needs them, `flask "
        f"fd-whatsapp prune --unregistered` deletes what is older than {rest['retention_days']} "
        "days."
    )
