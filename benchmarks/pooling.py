"""What keeping connections open saves: the same events with them, and with the engine's pool."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from itertools import islice
from statistics import median
from time import perf_counter, process_time
from typing import Any

from .command import each, make_parser, positive, run
from .durable import durable
from .ledgers import Host, fresh_host, on_each
from .ratios import ratio
from .report import Table
from .requests import new_environs
from .timing import post

DATABASES = ("sqlite", "postgresql", "mariadb")

_COLUMNS = {
    "database": "where the ledger is",
    "kept µs": "CPU time of an event with connections kept open, the median of the blocks",
    "engine's µs": "the same with only the engine's pool",
    "CPU": "the ratio of the two in the same pair of blocks: median and quartiles",
    "requests/s": "the ratio of answers with connections kept open, likewise",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("pooling", __doc__ or "", "--blocks 20 --only sqlite")
    made.add_argument("--events", type=positive, default=60, help="in a block")
    made.add_argument("--blocks", type=positive, default=40, help="of each kind")
    made.add_argument("--only", nargs="+", choices=DATABASES, default=DATABASES)
    return made


def measure(options: Namespace) -> list[Table]:
    """A row for each database.

    :raises NotMeasured: if there is none of them.
    """
    return on_each(
        options.only,
        lambda database: [_row(database, options)],
        title="Connections that stay open",
        text=f"In one process, {options.blocks} pairs of blocks of {options.events} events, "
        "one after the other.",
        columns=_COLUMNS,
    )


def _row(database: str, options: Namespace) -> dict[str, Any]:
    with fresh_host(database, durable) as host:
        environs = new_environs()
        pools = {"kept": host.ledger.database._kept, "engine": None}
        cpu: dict[str, list[float]] = {name: [] for name in pools}
        clock: dict[str, list[float]] = {name: [] for name in pools}
        for number in each(f"Connections to {database}", range(options.blocks + 1)):
            for name in sorted(pools, reverse=number % 2 == 0):
                host.ledger.database._kept = pools[name]
                began = process_time(), perf_counter()
                _post(host, islice(environs, options.events))
                if number:  # the first time does not count
                    cpu[name].append((process_time() - began[0]) / options.events)
                    clock[name].append((perf_counter() - began[1]) / options.events)
        host.ledger.database._kept = pools["kept"]
    return {
        "database": database,
        "kept µs": median(cpu["kept"]) * 1e6,
        "engine's µs": median(cpu["engine"]) * 1e6,
        "CPU": ratio(cpu["engine"], cpu["kept"]),
        "requests/s": ratio(clock["engine"], clock["kept"]),
    }


def _post(host: Host, environs: Iterable[dict[str, Any]]) -> None:
    statuses: list[str] = []
    for environ in environs:
        post(host.app, environ, statuses)
    if set(statuses) != {"200 OK"}:
        raise RuntimeError(f"Events were answered with {set(statuses)}.")


if __name__ == "__main__":
    main()
