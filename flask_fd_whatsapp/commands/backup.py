"""``flask fd-whatsapp backup``: copies the ledger to a file while it is in use."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from .options import chosen_ledger, json_option, receiver_option
from .output import plain, print_json, share_of


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp backup /backups/ledger.db\n"
    '  flask fd-whatsapp backup "/backups/$(date +%F).db" --json'
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@receiver_option
@json_option
@with_appcontext
def backup(file: Path, name: str | None, as_json: bool) -> None:
    """Write a consistent copy of a SQLite ledger to FILE, which must not exist.

    Events are recorded meanwhile. The file appears once it is complete and verified, readable by
    its owner only. For a ledger on a server, the command names the server's own tool.
    """
    if file == Path():
        raise click.BadParameter("is empty: write a path such as ledger.db.", param_hint="FILE")
    _, ledger = chosen_ledger(name)
    with share_of("Backing up") as tell:
        ledger.maintenance.back_up(file, tell=tell)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        click.echo(plain(f"{file}: {size} bytes, verified."))
