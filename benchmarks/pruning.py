"""How long posts wait at a steady rate, before and during ``prune``.

Half of a filled SQLite ledger is older than is kept; gunicorn answers posts over HTTP meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import text

from .command import make_parser, positive, run, say, seconds
from .durable import durable
from .filling import STATUSES, fill
from .report import Table
from .requests import new_bodies
from .server import LEDGER_URL, ROOT, serving
from .steady_posts import COLUMNS, post_for, row_of

_FLASK: Final = [sys.executable, "-m", "flask", "--app", "benchmarks.served:create_app"]
_COLUMNS: Final = {
    "while": "nothing else happens, or `flask fd-whatsapp prune` runs",
    **COLUMNS,
    "forgotten a second": "messages",
}
_OLDER: Final = "strftime('%Y-%m-%d %H:%M:%f000', {column}, '-45 days')"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> Any:
    """The options."""
    made = make_parser("pruning", __doc__ or "", "--messages 20000 --seconds 10")
    made.add_argument("--messages", type=positive, default=200_000, help="in the ledger")
    made.add_argument("--rate", type=positive, default=80, help="posts a second")
    made.add_argument("--seconds", type=seconds, default=30, help="with and without prune")
    return made


def measure(options: Namespace) -> list[Table]:
    """Posts alone, and posts while messages are pruned.

    :raises NotMeasured: if an event was not accepted.
    """
    with TemporaryDirectory(prefix="benchmark-") as name:
        url = f"sqlite:///{name}/ledger.db"
        say(f"Filling SQLite with {options.messages:,} messages")
        _fill(url, options.messages)
        environment = {**os.environ, LEDGER_URL: url}
        with serving(
            Path(name), {LEDGER_URL: url}, worker_class="gthread", workers=2, threads=8
        ) as port:
            bodies = new_bodies()
            post_for(port, bodies, options.rate, 2)  # done once per process
            rows = [
                {"while": "nothing"} | row_of(post_for(port, bodies, options.rate, options.seconds))
            ]
            with subprocess.Popen(
                [*_FLASK, "fd-whatsapp", "prune", "--json"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
            ) as pruning:
                before = _count(url)
                waits = post_for(port, bodies, options.rate, options.seconds)
                gone = before + len(waits) - _count(url)
                rows.append(
                    {"while": "prune", "forgotten a second": gone / options.seconds} | row_of(waits)
                )
                pruning.terminate()
    return [
        Table(
            title="Posts while prune runs",
            text=f"SQLite with {options.messages:,} messages, half of them to be forgotten; "
            f"gunicorn with 2 workers of 8 threads, {options.rate} posts a second.",
            columns=_COLUMNS,
            rows=rows,
        )
    ]


def _fill(url: str, messages: int) -> None:
    ledger = durable(url).extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.upgrade()
    fill(ledger.engine, messages * len(STATUSES))
    with ledger.engine.begin() as connection:
        for table, columns in (
            ("message", ("first_seen", "last_seen")),
            ("event", ("received_at",)),
        ):
            sets = ", ".join(f"{column} = {_OLDER.format(column=column)}" for column in columns)
            connection.execute(text(f"UPDATE fd_whatsapp_{table} SET {sets}"))
    ledger.engine.dispose()


def _count(url: str) -> int:
    ledger = durable(url).extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    with closing(ledger.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM fd_whatsapp_message")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
