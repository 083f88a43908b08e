"""The results of a soak, in tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from .report import Table
from .soak_checks import Check
from .soak_run import Run
from .soak_system import POOL_PROCESS, RECEIVER, RECEIVERS, THREADS, WORKERS
from .soak_watch import Watch, megabytes, open_files


def run_table(soak: Run, seed: int, database: str) -> Table:
    """What was posted and killed, and how long it took."""
    report = soak.simulator.report
    connections = soak.watch.connections
    quarter = max(1, len(connections) // 4)
    rows: dict[str, float] = {
        "messages": report.messages,
        "events": report.events,
        "events posted twice": report.copies,
        "posts": report.posted,
        "posts acknowledged": report.acknowledged,
        "posts tried again": report.tried_again,
        **{f"answers: {kind}": count for kind, count in sorted(report.answers.items())},
        **{f"killed: {kind}": count for kind, count in sorted(soak.system.kills.items())},
        "seconds": soak.seconds,
        "events/s": report.events / soak.seconds,
        "connections to PostgreSQL, the most in the second quarter": max(
            connections[quarter : 2 * quarter]
        ),
        "connections to PostgreSQL, the most in the last quarter": max(connections[-quarter:]),
        "tasks given back by workers that ended": soak.given_back,
    }
    return Table(
        title="Soak",
        text=f"Simulator, gunicorn with {RECEIVERS} workers of {THREADS} threads, PostgreSQL, "
        f"RabbitMQ and {WORKERS} Celery workers share the machine's cores. The handler writes a "
        f"row of each event through `current_ledger.transaction`. The same again: --seed {seed}",
        columns={"what": "was counted or timed", "number": "how many"},
        rows=[{"what": what, "number": number} for what, number in rows.items()],
        notes=[database],
    )


def process_table(watch: Watch) -> Table:
    """Memory and open files of the processes that were spared, and of those that were killed."""
    rows: list[dict[str, Any]] = []
    for process in watch.spared():
        early, late = process.parts()
        rows.append(
            {
                "process": process.kind,
                "early MB": megabytes(early),
                "late MB": megabytes(late),
                "grown MB": megabytes(late) - megabytes(early),
                "early files": open_files(early),
                "late files": open_files(late),
            }
        )
    for kind in (RECEIVER, POOL_PROCESS):
        killed = [process.samples[-1:] for process in watch.killed(kind)]
        half = len(killed) // 2
        if half:
            early_mb = median(megabytes(sample) for sample in killed[:half])
            late_mb = median(megabytes(sample) for sample in killed[half:])
            rows.append(
                {
                    "process": f"{kind}, killed ones",
                    "early MB": early_mb,
                    "late MB": late_mb,
                    "grown MB": late_mb - early_mb,
                }
            )
    return Table(
        title="Processes",
        text="One of each kind was spared, and is as old as the run: its second quarter, when it "
        "was warm, and its last. Of those killed, the first half and the second, as last seen.",
        columns={
            "process": "its kind",
            "early MB": "its own memory (RssAnon) then, the median",
            "late MB": "the same at the end",
            "grown MB": "the difference",
            "early files": "open files then, sockets among them, the most",
            "late files": "the same at the end",
        },
        rows=rows,
    )


def check_table(checks: Sequence[Check]) -> Table:
    """What has to hold, and whether it does."""
    return Table(
        title="What has to hold",
        text="When nothing is left to be posted or handled, and all processes have ended.",
        columns={
            "what": "was counted",
            "found": "how many there are",
            "at most": "how many there may be",
            "holds": "whether that is so",
        },
        rows=[check.row() for check in checks],
        notes=[f"{check.what}: {example}" for check in checks for example in check.examples],
    )
