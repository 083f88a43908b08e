"""``flask fd-whatsapp quarantine``: bodies that could not be used."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any, Final

import click
from flask.cli import with_appcontext

from ..ledger import Ledger, Quarantined
from ..outcomes import Result
from .options import chosen_receiver, json_option, receiver_option, receivers, shared_ledger
from .output import plain, print_json, print_table, progress, when
from .parameters import EventId
from .stopping import stopping

_REFUSED: Final = (
    Result.ACCOUNT,
    Result.IGNORED,
    Result.INVALID,
    Result.NOT_JSON,
    Result.NOT_OBJECT,
    Result.QUARANTINED,
)
"""What is quarantined again; all else has been recorded."""


@click.group(
    epilog="\b\nExample:\n  flask fd-whatsapp quarantine list\n"
    "  flask fd-whatsapp quarantine replay --all"
)
def quarantine() -> None:
    """Bodies that could not be used: look at them, replay them after a fix, discard them."""


@quarantine.command("list", epilog="Example: flask fd-whatsapp quarantine list --json")
@receiver_option
@json_option
@with_appcontext
def list_(name: str | None, as_json: bool) -> None:
    """List what is in quarantine, oldest first."""
    entries = _entries(shared_ledger(chosen_receiver(name)), name)
    if as_json:
        print_json({"quarantined": [_summary(entry) for entry in entries]})
    elif not entries:
        click.echo("Nothing is in quarantine.")
    else:
        print_table(
            ("id", "last seen", "times", "bytes", "receiver", "reason", "detail"),
            [
                (
                    entry.id,
                    when(entry.last_seen),
                    entry.count,
                    len(entry.body),
                    entry.receiver,
                    entry.reason,
                    entry.detail,
                )
                for entry in entries
            ],
        )


@quarantine.command(epilog="Example: flask fd-whatsapp quarantine show 12")
@click.argument("entry_id", metavar="ID", type=EventId())
@receiver_option
@json_option
@with_appcontext
def show(entry_id: int, name: str | None, as_json: bool) -> None:
    """Show an entry with its body, which can hold personal data."""
    (entry,) = _chosen(_entries(shared_ledger(chosen_receiver(name)), name), [entry_id])
    try:
        text = entry.body.decode()
    except UnicodeDecodeError:
        text = None
    if as_json:
        encoded = base64.b64encode(entry.body).decode() if text is None else None
        print_json(
            {
                **_summary(entry),
                "headers": dict(entry.headers),
                "body": text,
                "body_base64": encoded,
            }
        )
        return
    for key, value in {**_summary(entry), **entry.headers}.items():
        click.echo(plain(f"{key}: {value}"))
    click.echo()
    shown = entry.body.decode(errors="backslashreplace") if text is None else text
    click.echo("\n".join(plain(line) for line in shown.split("\n")))


@quarantine.command(epilog="Example: flask fd-whatsapp quarantine replay 12 13")
@click.argument("entry_ids", metavar="[ID]...", type=EventId(), nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Replay all.")
@receiver_option
@json_option
@with_appcontext
def replay(entry_ids: tuple[int, ...], is_all: bool, name: str | None, as_json: bool) -> None:
    """Take entries in as if they came now; what is accepted leaves the quarantine.

    Exit 1 if one was refused again, which keeps it there.
    """
    if bool(entry_ids) == is_all:
        raise click.UsageError("Name the entries to replay, or give --all.")
    ledger = shared_ledger(chosen_receiver(name))
    entries = _entries(ledger, name)
    chosen = entries if is_all else _chosen(entries, entry_ids)
    results: Counter[str] = Counter()
    refused: dict[Any, str] = {}
    with stopping() as stop, progress(chosen, "Replaying", len(chosen)) as shown:
        for entry in shown:
            if stop.is_asked():
                break
            label, is_refused = _replay(ledger, entry)
            results[label] += 1
            if is_refused:
                refused[entry.id] = label
    stays = [_summary(entry) for entry in _entries(ledger, name) if entry.id in refused]
    if as_json:
        print_json({"results": dict(results), "refused": stays})
    else:
        for one in stays:
            reason = f"{one['reason']}: {one['detail']}"
            click.echo(plain(f"{one['id']} stays in quarantine ({refused[one['id']]}): {reason}"))
        counted = ", ".join(f"{count} {label}" for label, count in results.items())
        click.echo(f"{counted or 'Nothing is in quarantine'}.")
    if refused:
        raise SystemExit(1)


@quarantine.command(epilog="Example: flask fd-whatsapp quarantine discard 12 13")
@click.argument("entry_ids", metavar="ID...", type=EventId(), nargs=-1, required=True)
@receiver_option
@json_option
@with_appcontext
def discard(entry_ids: tuple[int, ...], name: str | None, as_json: bool) -> None:
    """Take entries out of quarantine for good."""
    ledger = shared_ledger(chosen_receiver(name))
    unknown = [entry_id for entry_id in entry_ids if not ledger.discard(entry_id)]
    discarded = [entry_id for entry_id in entry_ids if entry_id not in unknown]
    if as_json:
        print_json({"discarded": discarded, "unknown": unknown})
    else:
        click.echo(f"{len(discarded)} discarded.")
    if unknown:
        raise click.ClickException(_unknown(unknown))


def _entries(ledger: Ledger, name: str | None) -> list[Quarantined]:
    """What is in quarantine, of the receiver that was named."""
    return [entry for entry in ledger.quarantined() if name in (None, entry.receiver)]


def _chosen(entries: list[Quarantined], ids: Any) -> list[Quarantined]:
    by_id = {entry.id: entry for entry in entries}
    unknown = [entry_id for entry_id in ids if entry_id not in by_id]
    if unknown:
        raise click.ClickException(_unknown(unknown))
    return [by_id[entry_id] for entry_id in dict.fromkeys(ids)]


def _unknown(ids: list[int]) -> str:
    return f"Not in quarantine: {', '.join(map(str, ids))}."


def _summary(entry: Quarantined) -> dict[str, Any]:
    return {
        "id": entry.id,
        "receiver": entry.receiver,
        "reason": entry.reason,
        "detail": entry.detail,
        "first_seen": entry.first_seen,
        "last_seen": entry.last_seen,
        "count": entry.count,
        "bytes": len(entry.body),
    }


def _replay(ledger: Ledger, entry: Quarantined) -> tuple[str, bool]:
    """What became of an entry, and whether it stays in quarantine."""
    receiver = receivers().get(entry.receiver)
    if receiver is None:
        return f"no receiver {entry.receiver}", True
    result = receiver.receive(entry.body, entry.headers).result
    if result is Result.UNAVAILABLE:
        raise click.ClickException(
            "The ledger cannot be used: the log says why, and `flask fd-whatsapp check` more."
        )
    is_refused = result in _REFUSED
    if not is_refused:
        ledger.discard(entry.id)
    return result.label, is_refused
