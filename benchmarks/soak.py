"""A long run under stress: a simulated campaign, with duplicates and out of order, through
gunicorn, PostgreSQL, RabbitMQ and two Celery workers, some of which are killed every few seconds.
In the end ledger and simulator have to agree, and no memory or connection may have leaked.
"""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from flask import Flask
from sqlalchemy import make_url

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.simulator import FAULTS as KNOWN
from flask_fd_whatsapp.simulator import Clock, FreshdeskSimulator, Retries
from flask_fd_whatsapp.simulator.faults.event_faults import duplicated

from .command import NotMeasured, make_parser, positive, run, say, seconds
from .report import Table
from .requests import TOKEN, URL
from .services import about_postgresql, fresh_postgresql, fresh_rabbitmq
from .soak_app import handled
from .soak_checks import check_events
from .soak_run import Run
from .soak_system import System
from .soak_tables import check_table, process_table, run_table

FAULTS = (
    replace(KNOWN["duplicates"], on_posts=duplicated(5)),
    "out-of-order",
    "late",
    "skipped-delivered",
    "failed-then-delivered",
    "delivered-then-failed",
    "cut-after-answer",
)

PATIENT = Retries(delays=(60,) * 9, timeout=30, at_least=0.2)
"""Longer than it takes to replace what was killed."""

NAME = "soak"
"""What this process is called at PostgreSQL, where its own connections do not count."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it, and print what was found; exits with 1 if something does not hold."""
    *_, checks = run(parser(), measure, arguments)
    wrong = [f"{row['what']}: {row['found']:g}" for row in checks.rows if row["holds"] == "no"]
    if wrong:
        sys.exit(f"Not as it has to be: {'; '.join(wrong)}.")


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser(NAME, __doc__ or "", "--events 20000 --seed 7 --kill-every 3")
    made.add_argument("--events", type=positive, default=200_000, help="at least so many are made")
    made.add_argument("--seed", type=int, help="of the campaign and of who is killed when")
    made.add_argument("--kill-every", type=seconds, default=4.0, help="seconds, more or less")
    made.add_argument("--concurrency", type=positive, default=16, help="posts at once")
    return made


def measure(options: Namespace) -> list[Table]:
    """The run, its processes, and what has to hold.

    :raises NotMeasured: if PostgreSQL or RabbitMQ is missing, or a process does not start or ends
        without having been killed.
    """
    if not Path("/proc/self/status").exists():
        raise NotMeasured("the processes' memory is read in /proc, which Linux has.")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    with ExitStack() as stack:
        url = stack.enter_context(fresh_postgresql())
        config = stack.enter_context(fresh_rabbitmq())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        ledger = stack.enter_context(_ledger(url))
        system = stack.enter_context(closing(System(folder, url, config)))
        system.start()
        simulator = _simulator(system.port, options.concurrency, seed)
        soak = Run(
            system,
            simulator,
            ledger,
            config,
            events=options.events,
            chance=Random(seed),
            kill_every=options.kill_every,
        )
        say(f"Posting {options.events:,} events; the same ones again: --seed {seed}")
        soak.post()
        soak.finish()
        checks = [*check_events(simulator, ledger), *soak.checks()]
        return [
            run_table(soak, seed, about_postgresql()),
            process_table(soak.watch),
            check_table(checks),
        ]


@contextmanager
def _ledger(url: str) -> Generator[SQLLedger]:
    """An empty ledger, and the table of the handler beside it."""
    own = make_url(url).update_query_dict({"application_name": NAME})
    ledger = SQLLedger.from_url(own.render_as_string(hide_password=False), Flask(NAME))
    try:
        ledger.upgrade()
        handled.create(ledger.engine)
        yield ledger
    finally:
        ledger.engine.dispose()


def _simulator(port: int, concurrency: int, seed: int) -> FreshdeskSimulator:
    """Freshdesk, with the receivers' address in its form."""
    simulator = FreshdeskSimulator(
        clock=Clock(),
        seed=seed,
        faults=FAULTS,
        retries=PATIENT,
        concurrency=concurrency,
        allow_http=True,
    )
    simulator.save(f"http://127.0.0.1:{port}{URL}", {"Authorization": TOKEN})
    simulator.enable()
    return simulator


if __name__ == "__main__":
    main()
