"""An application with a ledger of its own, on each available database."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, cast

from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger

from .command import NotMeasured, say
from .report import Table
from .services import about_postgresql, fresh_mariadb, fresh_postgresql

_FRESH = {"postgresql": fresh_postgresql, "mariadb": fresh_mariadb}


@dataclass(frozen=True)
class Host:
    """An application, its ledger, and the URL of that."""

    app: Flask
    ledger: SQLLedger
    url: str


@contextmanager
def fresh_host(database: str, make: Callable[[str], Flask]) -> Generator[Host]:
    """An application with an empty ledger, dropped at the end.

    :param make: makes it of the ledger's URL.
    :raises NotMeasured: if there is no such server.
    """
    with ExitStack() as stack:
        if database == "sqlite":
            folder = stack.enter_context(TemporaryDirectory(prefix="benchmark-"))
            url = f"sqlite:///{folder}/ledger.db"
        else:
            url = stack.enter_context(_FRESH[database]())
        app = make(url)
        ledger = cast(SQLLedger, app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger)
        stack.callback(ledger.engine.dispose)
        ledger.upgrade()
        yield Host(app, ledger, url)


def on_each(
    databases: Iterable[str],
    measure: Callable[[str], list[dict[str, Any]]],
    *,
    title: str,
    text: str,
    columns: Mapping[str, str],
) -> list[Table]:
    """A table of the rows of each available database, with notes on the others.

    :raises NotMeasured: if there is none of them.
    """
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for database in databases:
        try:
            rows += measure(database)
            if database == "postgresql":
                notes.append(about_postgresql())
        except NotMeasured as error:
            notes.append(f"{database}: not measured, {error}")
            say(notes[-1])
    if not rows:
        raise NotMeasured("; ".join(notes))
    return [Table(title=title, text=text, columns=columns, rows=rows, notes=notes)]
