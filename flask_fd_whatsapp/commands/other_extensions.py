"""Checks for other extensions that would do harm: Flask-Limiter and Flask-Migrate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask

from ..receiving.receiver import Receiver


def harm_of_others(app: Flask, receiver: Receiver) -> Iterator[str]:
    """Return what other extensions would do to the receiver, with the remedy.

    Their interfaces differ between versions: an extension that cannot be queried is skipped.
    """
    for check in (_limits, _dropped_tables):
        with suppress(Exception):
            yield from list(check(app, receiver))


def _limits(app: Flask, receiver: Receiver) -> Iterator[str]:
    for limiter in app.extensions.get("limiter", ()):
        if not limiter.enabled:
            continue
        limits, _ = limiter.limit_manager.resolve_limits(
            app, f"{receiver.name}.receive", receiver.name, in_middleware=True
        )
        if limits:
            shown = ", ".join(str(limit.limit) for limit in limits)
            yield (
                f"Flask-Limiter limits POST {receiver.url} ({shown}): beyond that Freshdesk gets "
                "429, and events arrive late or never. The receiver authenticates requests "
                "itself: limiter.exempt(blueprint)."
            )


def _dropped_tables(app: Flask, receiver: Receiver) -> Iterator[str]:
    migrate = app.extensions.get("migrate")
    ledger: Any = receiver.ledger
    if migrate is None or not ledger.durable or ledger.migrated_by_host:
        return
    from ..ledger.sql import include_object, metadata  # needs an extra

    with app.app_context():
        engines = migrate.db.engines.values()
    table = metadata.tables["fd_whatsapp_event"]
    places = {_place(engine.url) for engine in engines}
    if _place(ledger.engine.url) not in places:
        return
    given = migrate.configure_args.get("include_object")
    is_spared = given is not None and not given(table, table.name, "table", True, None)
    if not is_spared and not _is_told_by_hand(Path(app.root_path) / migrate.directory):
        yield (
            "Flask-Migrate shares the ledger's database: `flask db migrate` would drop the "
            "ledger's tables, which are not among the application's models. Exclude them: "
            f"Migrate(app, db, include_object={include_object.__name__}), which is in "
            f"{include_object.__module__.rpartition('.')[0]}."
        )


def _place(url: Any) -> tuple[object, ...]:
    # As if each were a file: names on a server become paths, which differ just as the names do.
    return (url.get_backend_name(), url.host, url.port, Path(url.database or "").resolve())


def _is_told_by_hand(folder: Path) -> bool:
    """Whether the application's own ``env.py`` chooses which objects it compares."""
    places = (folder / "env.py", Path(folder.name) / "env.py")
    return any("include_" in place.read_text() for place in places if place.is_file())
