"""``flask fd-whatsapp prune``: forgets what is old and finished."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from flask.cli import with_appcontext

from ..ledger import Ledger
from ..receiver import Receiver
from .errors import noting
from .options import chosen_receivers, json_option, receiver_option, shared_ledger
from .output import many, print_json, progress
from .stopping import Stop, stopping

BATCH: Final = 500


@click.command(epilog="Example: flask fd-whatsapp prune")
@receiver_option
@json_option
@with_appcontext
def prune(name: str | None, as_json: bool) -> None:
    """Forget what is old and finished.

    That is messages not heard of for FD_WHATSAPP_RETENTION_DAYS, with their events. Works in
    batches, so that others can write in between. What is unfinished stays; the quarantine
    has a bound of its own.
    """
    forgotten: dict[str, int] = {}
    problems: list[str] = []
    with stopping() as stop:
        for receiver in chosen_receivers(name):
            with noting(problems, receiver):
                totals = _totals(shared_ledger(receiver), receiver, stop)
                with progress(totals, f"Pruning {receiver.name}", show=_in_words) as shown:
                    for total in shown:
                        forgotten[receiver.name] = total
    if as_json:
        print_json({"forgotten": forgotten, "problems": problems})
    else:
        for receiver_name, total in forgotten.items():
            click.echo(f"{receiver_name}: {_in_words(total)} forgotten.")
    if problems:
        raise SystemExit(1)


def _in_words(total: int | None) -> str:
    return many(total or 0, "message")


def _totals(ledger: Ledger, receiver: Receiver, stop: Stop) -> Iterator[int]:
    """Forget a batch after the other, and tell each time how many messages it was in all."""
    total = 0
    before = datetime.now(UTC) - timedelta(days=receiver.settings.retention_days)
    while not stop.is_asked():
        count = ledger.prune(before=before, limit=BATCH)
        total += count
        yield total
        if count < BATCH:
            return
