"""``flask fd-whatsapp copy``: copies the ledger into another database."""

from __future__ import annotations

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from ..exceptions import FreshdeskWhatsAppError
from ..ledger_urls import MEMORY_URL, ledger_url
from .options import chosen_ledger, json_option, receiver_option
from .output import plain, print_json, print_table, share_of


@click.command(
    epilog="\b\nExamples:\n"
    "  flask fd-whatsapp copy --to postgresql+psycopg://user@host/database\n"
    "  FD_WHATSAPP_COPY_TO=... flask fd-whatsapp copy   (keeps a password off the process list)"
)
@click.option(
    "--to",
    "url",
    metavar="URL",
    required=True,
    envvar="FD_WHATSAPP_COPY_TO",
    help="An empty database, as a LEDGER_URL.",
)
@receiver_option
@json_option
@with_appcontext
def copy(url: str, name: str | None, as_json: bool) -> None:
    """Copy the ledger into another database: any of SQLite, PostgreSQL and MariaDB to any other.

    The target has to be empty; its tables are created. The copy is one consistent snapshot, all or
    nothing, and the rows on both sides are counted. To move a ledger, first stop the processes that
    record and handle events, and change LEDGER_URL before they start again: Freshdesk resends what
    it could not deliver meanwhile. Exit 1 if something was recorded during the copy.
    """
    _, source = chosen_ledger(name)
    if not source.durable:
        raise FreshdeskWhatsAppError("The ledger is not in a database and cannot be copied.")
    from ..ledger.sql.copying import copy_ledger, folder_of  # needs an extra
    from ..ledger.sql.ledger import SQLLedger

    if not isinstance(source, SQLLedger):
        raise FreshdeskWhatsAppError(f"A {type(source).__name__} cannot be copied from.")
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    folder = folder_of(_target(url), app)
    # The instance folder alone is created.
    if folder is not None and folder != Path(app.instance_path) and not folder.is_dir():
        raise click.UsageError(f"--to: the folder {plain(str(folder))} does not exist: create it.")
    target = SQLLedger.from_url(url, app)
    try:
        with share_of("Copying") as tell:
            copied = copy_ledger(source, target, tell=tell)
    finally:
        target.engine.dispose()
    if as_json:
        print_json({"rows": copied.rows, "missed": copied.missed})
    else:
        print_table(("table", "rows"), copied.rows.items())
    if any(copied.missed.values()):
        missed = ", ".join(f"{what}: {count}" for what, count in copied.missed.items() if count)
        raise FreshdeskWhatsAppError(
            f"The target lacks what was recorded during the copy ({missed}). To move the ledger, "
            "stop the processes that record and handle events, and copy again, into an empty "
            "database."
        )


def _target(url: str) -> str:
    try:
        if ledger_url(url) == MEMORY_URL:
            raise ValueError("is in memory: write the URL of a database.")
    except ValueError as error:
        raise click.UsageError(f"--to: {error}") from None
    return url
