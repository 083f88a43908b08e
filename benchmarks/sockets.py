"""Requests per second over sockets: gunicorn, and a load generator on the same cores."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask
from sqlalchemy import text

from flask_fd_whatsapp.ledger.sql import SQLLedger

from .command import NotMeasured, each, make_parser, positive, run, seconds
from .load import Load, send
from .ratios import percentile, ratio
from .report import Table
from .requests import new_requests
from .server import CELERY, FOLDER, LEDGER_URL, VARIANT, serving
from .services import about_postgresql, fresh_postgresql, fresh_rabbitmq

APPS = ("bare", "memory", "sqlite", "postgresql", "celery")
WORKER_CLASSES = ("gthread", "sync")
_AIMS = (
    "The aim with gthread workers: 0.36 of bare or more for SQLite, 0.30 for PostgreSQL, 99 of 100 "
    "requests within 50 ms, no errors, and as many events recorded as acknowledged."
)

_COLUMNS = {
    "workers": "gunicorn's worker class; sync workers close the connection after every answer",
    "application": "what gunicorn served: the bare route, or this package with that ledger; "
    "celery: the ledger in PostgreSQL, with the handlers left to workers, none of which runs",
    "requests/s": "answers per second, the median of the blocks",
    "of bare": "relative to the bare route in the same block: median and quartiles",
    "median ms": "from sending a request to its complete answer",
    "p99 ms": "the 99th percentile",
    "errors": "answers other than 2xx, or no answer",
    "acknowledged": "answers with 2xx",
    "recorded": "events in the ledger at the end; only with celery do they include unhandled ones",
    "generator": "the share of one core used by the load generator",
}


@dataclass
class _Target:
    """A running application, and what came of its blocks."""

    port: int
    ledger: SQLLedger | None
    requests: Iterator[bytes] = field(default_factory=new_requests)
    loads: list[Load] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("sockets", __doc__ or "", "--only sqlite --classes gthread --blocks 5")
    made.add_argument("--seconds", type=seconds, default=1.5, help="length of a block")
    made.add_argument("--blocks", type=positive, default=16, help="blocks of each application")
    made.add_argument("--connections", type=positive, default=32, help="requests at a time")
    made.add_argument("--workers", type=positive, default=2, help="gunicorn's processes")
    made.add_argument("--threads", type=positive, default=8, help="threads of a gthread worker")
    made.add_argument("--classes", nargs="+", choices=WORKER_CLASSES, default=WORKER_CLASSES)
    made.add_argument(
        "--only",
        nargs="+",
        choices=APPS,
        default=APPS,
        help="the applications to measure; the bare route is always among them",
    )
    return made


def measure(options: Namespace) -> list[Table]:
    """The applications under each class of workers.

    :raises NotMeasured: if nothing could be compared with the bare route.
    """
    rows: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for worker_class in options.classes:
        with ExitStack() as stack:
            targets: dict[str, _Target] = {}
            for name in [app for app in APPS if app in options.only or app == APPS[0]]:
                try:
                    targets[name] = stack.enter_context(_started(name, worker_class, options))
                except NotMeasured as error:
                    missing[name] = f"{name}: not measured, {error}"
            if missing and len(targets) == 1:
                raise NotMeasured("; ".join(missing.values()))
            _send_blocks(options, targets, f"gunicorn, {worker_class}, {', '.join(targets)}")
            rows += [
                {"workers": worker_class} | _row(name, target, targets[APPS[0]])
                for name, target in targets.items()
            ]
    notes = [*missing.values(), _AIMS]
    if any(row["application"] in ("postgresql", "celery") for row in rows):
        notes.append(about_postgresql())
    return [
        Table(
            title="Over sockets",
            text=f"gunicorn with {options.workers} workers (gthread: {options.threads} threads "
            f"each); {options.connections} connections; {options.blocks} "
            f"interleaved blocks of {options.seconds:g} seconds. Load generator, workers and "
            "database share the machine's cores. Every event is about a different message; except "
            "with celery, acknowledged events have been recorded and handled.",
            columns=_COLUMNS,
            rows=rows,
            notes=notes,
        )
    ]


@contextmanager
def _started(name: str, worker_class: str, options: Namespace) -> Generator[_Target]:
    """An application, served, with a ledger of its own."""
    threads = options.threads if worker_class == "gthread" else 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        variables, ledger, url = {FOLDER: str(folder), VARIANT: name}, None, ""
        if name == "sqlite":
            url = f"sqlite:///{folder}/ledger.db"
        elif name in ("postgresql", "celery"):
            url = stack.enter_context(fresh_postgresql())
        if name == "celery":
            variables[CELERY] = json.dumps(stack.enter_context(fresh_rabbitmq()))
        if url:
            variables[LEDGER_URL] = url
            ledger = SQLLedger.from_url(url, Flask("benchmark"))
            stack.callback(ledger.engine.dispose)
            ledger.upgrade()
        port = stack.enter_context(
            serving(
                folder,
                variables,
                worker_class=worker_class,
                workers=options.workers,
                threads=threads,
            )
        )
        yield _Target(port, ledger)


def _send_blocks(options: Namespace, targets: Mapping[str, _Target], title: str) -> None:
    """Block by block, each beginning with another; the first one warms up."""
    names = list(targets)
    for block in each(title, range(options.blocks + 1)):
        turn = block % len(names)
        for name in names[turn:] + names[:turn]:
            target = targets[name]
            target.loads.append(
                send(
                    target.port,
                    target.requests,
                    connections=options.connections,
                    seconds=options.seconds,
                )
            )


def _row(name: str, target: _Target, bare: _Target) -> dict[str, Any]:
    counted = target.loads[1:]
    waits = [wait for load in counted for wait in load.waits]
    rates = [load.rate for load in counted]
    errors = sum(load.errors for load in target.loads)
    return {
        "application": name,
        "requests/s": median(rates),
        "of bare": ratio(rates, [load.rate for load in bare.loads[1:]]),
        "median ms": median(waits) * 1e3,
        "p99 ms": percentile(waits, 99) * 1e3,
        "errors": errors,
        "acknowledged": sum(load.answers.total() for load in target.loads) - errors,
        "recorded": _recorded(target.ledger, name) if target.ledger else None,
        "generator": median(load.cpu_seconds / load.seconds for load in counted),
    }


def _recorded(ledger: SQLLedger, name: str) -> int:
    state = "IS NOT NULL" if name == "celery" else "IS NULL AND dead_at IS NULL"
    query = text(f"SELECT count(*) FROM fd_whatsapp_event WHERE due_at {state}")
    with ledger.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


if __name__ == "__main__":
    main()
