"""``flask fd-whatsapp upgrade``: creates or upgrades the ledger."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..receiver import Receiver
from .errors import ledger_of
from .masking import without_secrets
from .options import chosen_receivers, json_option, receiver_option
from .output import plain, print_json


@click.command(epilog="Example: flask fd-whatsapp upgrade")
@receiver_option
@json_option
@with_appcontext
def upgrade(name: str | None, as_json: bool) -> None:
    """Create the ledger of every receiver, or bring it up to date.

    Run it when deploying, before the new version starts. It can be repeated, and run by several
    machines at once.
    """
    reports = [_upgrade(receiver) for receiver in chosen_receivers(name)]
    if as_json:
        print_json({"receivers": reports})
    else:
        for report in reports:
            click.echo(f"{report['receiver']}: {report['result']}")
    if any(report["is_error"] for report in reports):
        raise SystemExit(1)


def _upgrade(receiver: Receiver) -> dict[str, object]:
    is_error = False
    try:
        ledger = ledger_of(receiver)
        if ledger.durable:
            ledger.upgrade()
            result = "the ledger is up to date."
        else:
            result = "the ledger is in memory: there is nothing to do."
    except Exception as error:  # a migration can break in any way, and the others still have to run
        is_error = True
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        result = f"the ledger could not be upgraded: {without_secrets(reason, [receiver])}"
    return {"receiver": receiver.name, "result": plain(result), "is_error": is_error}
