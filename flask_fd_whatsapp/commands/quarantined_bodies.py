"""``flask fd-whatsapp quarantine``: lists, replays and discards bodies that could not be used."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import click
from flask.cli import with_appcontext

from ..ledger import Ledger, Quarantined
from ..ledger.records import name_of_account
from ..receiving.responses import Result
from .account_options import account_filter, required_account
from .hanging import calling_handlers
from .options import chosen_receiver, json_option, receiver_of, receiver_option, shared_ledger
from .output import plain, print_json, print_table, progress, when
from .parameters import EventId

BATCH: Final = 100

_HEAD: Final = ("id", "last seen", "times", "bytes", "receiver", "reason", "detail")


@click.group(
    epilog="\b\nExamples:\n  flask fd-whatsapp quarantine list\n"
    "  flask fd-whatsapp quarantine replay --all"
)
def quarantine() -> None:
    """List, show, replay and discard bodies that could not be used."""


@quarantine.command("list", epilog="Example: flask fd-whatsapp quarantine list --json")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", type=EventId(), help="Next page: older than the entry with this id.")
@account_filter
@receiver_option
@json_option
@with_appcontext
def list_(
    limit: int, before: int | None, account_id: str | None, name: str | None, as_json: bool
) -> None:
    """List the entries in quarantine, newest first."""
    ledger = shared_ledger(chosen_receiver(name))
    of = name if account_id is None else _shelf(account_id, name)
    found = ledger.quarantined(receiver=of, before=before, limit=limit + 1)
    page = found[:limit]
    next_page = page[-1].id if len(found) > limit else None
    if as_json:
        print_json({"quarantined": [_summary(entry) for entry in page], "before": next_page})
        return
    if not page:
        click.echo("The quarantine is empty.")
        return
    print_table(_HEAD, [_row(entry) for entry in page])
    if next_page is not None:
        click.echo(f"Older ones: --before {next_page}", err=True)


@quarantine.command(epilog="Example: flask fd-whatsapp quarantine show 12")
@click.argument("entry_id", metavar="ID", type=EventId())
@receiver_option
@json_option
@with_appcontext
def show(entry_id: int, name: str | None, as_json: bool) -> None:
    """Show an entry with its body, which can hold personal data."""
    ledger = shared_ledger(chosen_receiver(name))
    (entry,) = _named(ledger, [entry_id], name)
    body = ledger.quarantine.body(entry_id) or b""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if as_json:
        encoded = base64.b64encode(body).decode() if text is None else None
        headers = dict(entry.headers)
        print_json(
            {**_summary(entry), "headers": headers, "body": text, "body_base64": encoded},
        )
        return
    for key, value in {**_summary(entry), **entry.headers}.items():
        click.echo(plain(f"{key}: {value}"))
    click.echo()
    shown = body.decode(errors="backslashreplace") if text is None else text
    click.echo("\n".join(plain(line) for line in shown.split("\n")))


@quarantine.command(epilog="Example: flask fd-whatsapp quarantine replay 12 13")
@click.argument("entry_ids", metavar="[ID]...", type=EventId(), nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Replay all entries.")
@receiver_option
@json_option
@with_appcontext
def replay(entry_ids: tuple[int, ...], is_all: bool, name: str | None, as_json: bool) -> None:
    """Process entries as if they were received now; accepted ones leave the quarantine.

    Exit 1 if an entry was rejected again, which keeps it in quarantine; exit 75 if a handler hangs
    (FD_WHATSAPP_HANDLER_SECONDS).
    """
    if bool(entry_ids) == is_all:
        raise click.UsageError("Name the entries to replay, or use --all.")
    ledger = shared_ledger(chosen_receiver(name))
    named = _named(ledger, entry_ids, name)
    chosen = _all(ledger, name) if is_all else iter(named)
    results: Counter[str] = Counter()
    refused: dict[Any, str] = {}
    with (
        calling_handlers() as stop,
        progress(chosen, "Replaying", len(named) or None) as shown,
    ):
        for entry in shown:
            if stop.is_asked():
                break
            label, is_refused = _replay(ledger, entry)
            results[label] += 1
            if is_refused:
                refused[entry.id] = label
    stays = [_summary(entry) for entry in map(partial(_find, ledger), refused) if entry]
    if as_json:
        print_json({"results": dict(results), "refused": stays})
    else:
        for one in stays:
            reason = f"{one['reason']}: {one['detail']}"
            click.echo(plain(f"{one['id']} stays in quarantine ({refused[one['id']]}): {reason}"))
        counted = ", ".join(f"{count} {label}" for label, count in results.items())
        click.echo(f"{counted or 'The quarantine is empty'}.")
    if refused:
        raise SystemExit(1)


@quarantine.command(epilog="Example: flask fd-whatsapp quarantine discard 12 13")
@click.argument("entry_ids", metavar="ID...", type=EventId(), nargs=-1, required=True)
@receiver_option
@json_option
@with_appcontext
def discard(entry_ids: tuple[int, ...], name: str | None, as_json: bool) -> None:
    """Discard entries from the quarantine permanently."""
    ledger = shared_ledger(chosen_receiver(name))
    unknown = [entry_id for entry_id in entry_ids if not ledger.quarantine.discard(entry_id)]
    discarded = [entry_id for entry_id in entry_ids if entry_id not in unknown]
    if as_json:
        print_json({"discarded": discarded, "unknown": unknown})
    else:
        click.echo(f"{len(discarded)} discarded.")
    if unknown:
        raise click.ClickException(_unknown(unknown))


def _all(ledger: Ledger, name: str | None) -> Iterator[Quarantined]:
    """Yield the entries of the chosen receiver, page by page, oldest first."""
    last: Any = 0
    while page := ledger.quarantined(receiver=name, after=last, limit=BATCH):
        yield from page
        last = page[-1].id


def _named(ledger: Ledger, ids: Sequence[int], name: str | None) -> list[Quarantined]:
    """Return the entries with these ids, each once.

    :raises click.ClickException: if one is not in quarantine.
    """
    found = {entry_id: _find(ledger, entry_id, name) for entry_id in ids}
    unknown = [entry_id for entry_id, entry in found.items() if entry is None]
    if unknown:
        raise click.ClickException(_unknown(unknown))
    return [entry for entry in found.values() if entry]


def _shelf(account_id: str, name: str | None) -> str:
    """Return the name under which an account's bodies are kept."""
    found = required_account(account_id, name)
    return name_of_account(found.name, found.account or "")


def _find(ledger: Ledger, entry_id: int, name: str | None = None) -> Quarantined | None:
    found = ledger.quarantined(receiver=name, after=entry_id - 1, before=entry_id + 1, limit=1)
    return found[0] if found else None


def _unknown(ids: list[int]) -> str:
    return f"Not in quarantine: {', '.join(map(str, ids))}."


def _row(entry: Quarantined) -> tuple[object, ...]:
    return (
        entry.id,
        when(entry.last_seen),
        entry.count,
        entry.size,
        entry.receiver,
        entry.reason,
        entry.detail,
    )


def _summary(entry: Quarantined) -> dict[str, Any]:
    return {
        "id": entry.id,
        "receiver": entry.receiver,
        "reason": entry.reason,
        "detail": entry.detail,
        "first_seen": entry.first_seen,
        "last_seen": entry.last_seen,
        "count": entry.count,
        "bytes": entry.size,
    }


def _replay(ledger: Ledger, entry: Quarantined) -> tuple[str, bool]:
    """Replay an entry; return its result, and whether it stays in quarantine."""
    receiver = receiver_of(entry.receiver)
    if receiver is None:
        return f"no receiver {entry.receiver}", True
    body = ledger.quarantine.body(entry.id)
    if body is None:
        return "gone", False  # another process has handled it in the meantime
    result = receiver.receive(body, entry.headers, is_replay=True).result
    if result is Result.UNAVAILABLE:
        raise click.ClickException(
            "The ledger cannot be used: the log says why, and `flask fd-whatsapp check` more."
        )
    if result.is_recorded:
        ledger.quarantine.discard(entry.id)
    return result.label, not result.is_recorded
