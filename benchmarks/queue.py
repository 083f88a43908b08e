"""Events through Celery workers: how many per second, and how long after they were recorded."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from flask_fd_whatsapp.ledger.sql import SQLLedger

from .command import each, make_parser, positive, run, say, seconds
from .queue_app import create_app, working
from .queue_floors import empty_tasks, rate_of, statements
from .ratios import percentile, ratio
from .report import Table
from .requests import new_environs
from .services import CeleryConfig, about_postgresql, fresh_postgresql, fresh_rabbitmq
from .timing import post

RATE = 133
"""Events a second that one account makes at most: 2,000 calls of its API a minute, four each."""

_PATIENCE_SECONDS = 120
_FIRST = 10  # events of each worker that are not measured, since it has to connect first

_COLUMNS = {
    "workers": "processes, each `celery worker --concurrency 1`",
    "events/s": "handled by all of them while the queue is full, the median of the rounds",
    "empty/s": "Celery alone: tasks with the same options that only note the time",
    "statements/s": "PostgreSQL alone: the two statements of an event, by as many processes",
    "median ms": f"from recorded to handled at {RATE} events per second, one account's maximum",
    "p99 ms": "the 99th percentile",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("queue", __doc__ or "", "--workers 1 2 4 --rounds 1")
    made.add_argument("--events", type=positive, default=2000, help="in the queue of a round")
    made.add_argument("--rounds", type=positive, default=3, help="rounds of each number of workers")
    made.add_argument("--seconds", type=seconds, default=10.0, help=f"at {RATE} events a second")
    made.add_argument("--workers", type=positive, nargs="+", default=[1, 2])
    return made


def measure(options: Namespace) -> list[Table]:
    """One row for each number of workers.

    :raises NotMeasured: if PostgreSQL or RabbitMQ is missing.
    """
    with ExitStack() as stack:
        url = stack.enter_context(fresh_postgresql())
        config = stack.enter_context(fresh_rabbitmq())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        system = stack.enter_context(closing(_System(folder, url, config)))
        measures = {
            "events/s": system.rate,
            "empty/s": system.empty_rate,
            "statements/s": system.statement_rate,
        }
        rates: dict[tuple[str, int], list[float]] = {
            (name, count): [] for count in options.workers for name in measures
        }
        for _ in each(f"A full queue for {options.workers} workers", range(options.rounds)):
            for (name, count), found in rates.items():
                found.append(measures[name](count, options.events))
        rows: list[dict[str, Any]] = []
        for count in options.workers:
            say(f"{RATE} events a second for {count} workers")
            waits = system.waits(count, options.seconds)
            rows.append(
                {
                    "workers": count,
                    **{name: median(rates[name, count]) for name in measures},
                    "median ms": median(waits) * 1e3,
                    "p99 ms": percentile(waits, 99) * 1e3,
                }
            )
        notes = [_shares(rates, count) for count in options.workers]
        first, *others = options.workers
        notes += [
            f"{count} workers handle {ratio(rates['events/s', count], rates['events/s', first])} "
            f"times the events of {first}."
            for count in others
        ]
        notes.append(about_postgresql())
    return [
        Table(
            title="Through Celery",
            text=f"RabbitMQ, the ledger in PostgreSQL. Full queue: {options.rounds} rounds of "
            f"{options.events:,} events, recorded before the workers are started; their rate is "
            "that of the middle half. Workers, broker and database share the machine's cores.",
            columns=_COLUMNS,
            rows=rows,
            notes=notes,
        )
    ]


def _shares(rates: Mapping[tuple[str, int], Sequence[float]], workers: int) -> str:
    """The share of an event's time that is unavoidable."""
    events = rates["events/s", workers]
    celery = ratio(events, rates["empty/s", workers])
    database = ratio(events, rates["statements/s", workers])
    return (
        f"Workers: {workers}. An empty task takes {celery} of an event's time, and its "
        f"statements take {database}."
    )


class _System:
    """A receiver in this process, and what its ledger says about the workers in others."""

    def __init__(self, folder: Path, url: str, config: CeleryConfig) -> None:
        self._settings = folder, url, config
        self._app = create_app(url, config)
        self._receiver = self._app.extensions["fd_whatsapp"]["fd_whatsapp"]
        self._ledger: SQLLedger = self._receiver.ledger
        self._ledger.upgrade()
        self._environs = new_environs()

    def close(self) -> None:
        """Close the connections to broker and database."""
        self._receiver._hand_over._take.close()
        self._ledger.engine.dispose()

    def rate(self, workers: int, events: int) -> float:
        """Events a second that *workers* handle while the queue is full."""
        for _ in range(events):
            self._post()
        with working(*self._settings, workers):
            self._wait_until_handled()
        return rate_of(self._of_last(events, "h.handled_at"))

    def empty_rate(self, workers: int, events: int) -> float:
        """Empty tasks per second run by *workers*."""
        return empty_tasks(self._app, *self._settings, workers, events)

    def statement_rate(self, processes: int, events: int) -> float:
        """Events per second for which *processes* execute only the statements."""
        for _ in range(events):
            self._post()
        with self._app.extensions["celery"].connection_for_write() as connection:
            connection.default_channel.queue_purge(self._settings[2]["task_default_queue"])
        query = text("SELECT id FROM fd_whatsapp_event ORDER BY id DESC LIMIT :events")
        with self._ledger.engine.connect() as connection:
            ids = list(connection.scalars(query, {"events": events}))
        return statements(self._settings[1], ids, processes)

    def waits(self, workers: int, duration: float) -> list[float]:
        """Seconds from recorded to handled, at :data:`RATE` events a second."""
        events = max(1, round(duration * RATE))
        with working(*self._settings, workers):
            for _ in range(_FIRST * workers):
                self._post()
            self._wait_until_handled()
            start = time.monotonic()
            for number in range(events):
                time.sleep(max(0.0, start + number / RATE - time.monotonic()))
                self._post()
            self._wait_until_handled()
        return self._of_last(events, "h.handled_at - e.received_at")

    def _post(self) -> None:
        statuses: list[str] = []
        post(self._app, next(self._environs), statuses)
        if statuses != ["200 OK"]:
            raise RuntimeError(f"An event was answered with {statuses}.")

    def _wait_until_handled(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while pending := self._ledger.overview.backlog().pending:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{pending} events wait for {_PATIENCE_SECONDS} seconds.")
            time.sleep(0.1)

    def _of_last(self, events: int, expression: str) -> list[float]:
        """Seconds, one number for each of the *events* recorded last."""
        query = text(
            f"SELECT extract(epoch FROM {expression}) FROM fd_whatsapp_event e"
            " JOIN fd_whatsapp_handling h ON h.event_id = e.id ORDER BY e.id DESC LIMIT :events"
        )
        with self._ledger.engine.connect() as connection:
            found = [float(number) for number in connection.scalars(query, {"events": events})]
        if len(found) != events:
            raise RuntimeError(f"Of {events} events {len(found)} were handled.")
        return found


if __name__ == "__main__":
    main()
