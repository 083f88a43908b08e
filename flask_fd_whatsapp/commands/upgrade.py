"""``flask fd-whatsapp upgrade``: creates or upgrades the ledger."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..ledger import Upgraded
from ..monitoring.masking import without_secrets
from ..receiving.receiver import Receiver
from .errors import ledger_of
from .options import chosen_receivers, json_option, receiver_option
from .output import plain, print_json


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp upgrade\n  flask fd-whatsapp upgrade --to 0004"
)
@click.option("--to", metavar="REVISION", help="Stop at this revision instead of the newest.")
@receiver_option
@json_option
@with_appcontext
def upgrade(to: str | None, name: str | None, as_json: bool) -> None:
    """Create or upgrade the ledger of every receiver.

    Run it on deployment, before the new version starts, while the old one keeps recording events.
    It is idempotent, and safe to run on several machines at once: one upgrades, the others wait.
    Progress is printed to standard error.
    """
    reports = [_upgrade(receiver, to) for receiver in chosen_receivers(name)]
    if as_json:
        print_json({"receivers": reports})
    else:
        for report in reports:
            click.echo(f"{report['receiver']}: {report['result']}")
    if any(report["is_error"] for report in reports):
        raise SystemExit(1)


def _upgrade(receiver: Receiver, to: str | None) -> dict[str, object]:
    done, is_error = None, False

    def tell(what: str) -> None:
        click.echo(plain(f"{receiver.name}: {what}"), err=True)

    try:
        ledger = ledger_of(receiver)
        done = ledger.upgrade(to, tell=tell)
        result = _explain(done, to) if ledger.durable else _IN_MEMORY
    except Exception as error:  # a migration can fail in any way, and the others still have to run
        is_error = True
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        result = f"the ledger could not be upgraded: {without_secrets(reason, [receiver])}"
    return {
        "receiver": receiver.name,
        "result": plain(result),
        "is_error": is_error,
        "from": done and done.before,
        "to": done and done.after,
    }


_IN_MEMORY = "the ledger is in memory: nothing to do."


def _explain(done: Upgraded | None, to: str | None) -> str:
    if done is None:
        return "the ledger is up to date."
    if done.before is None:
        return f"the ledger was created at revision {done.after}."
    if done.before != done.after:
        return f"the ledger was upgraded from revision {done.before} to {done.after}."
    if to is not None and done.after > to:
        return (
            f"the ledger is at revision {done.after}, which is later than {to}: nothing was "
            "changed."
        )
    if done.is_newer:
        return (
            f"the ledger is newer than this version of the package (revision {done.after}), but "
            "compatible: nothing was changed."
        )
    return f"the ledger is up to date (revision {done.after})."
