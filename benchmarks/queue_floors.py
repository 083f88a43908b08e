"""The speed of Celery and PostgreSQL alone: empty tasks, and the statements of an event.

Both share the cores, so an event takes at least as long as the two together.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from flask import Flask
from sqlalchemy import make_url

from flask_fd_whatsapp.queue.tasks import time_limit

from .queue_app import EMPTY, working
from .services import CeleryConfig

_PATIENCE_SECONDS = 120
_LEASE_SECONDS = 60


def rate_of(moments: Sequence[float]) -> float:
    """Return the rate per second in the middle half of *moments*."""
    ordered = sorted(moments)
    quarter = len(ordered) // 4
    return 2 * quarter / (ordered[3 * quarter] - ordered[quarter])


def empty_tasks(
    app: Flask, folder: Path, url: str, config: CeleryConfig, workers: int, tasks: int
) -> float:
    """Tasks a second that *workers* run from a full queue, which only note the time."""
    notes = folder / f"empty-{secrets.token_hex(4)}"
    notes.touch()
    task = app.extensions["celery"].tasks[EMPTY]
    with app.app_context():
        limit = time_limit(app, "fd_whatsapp")
    for _ in range(tasks):
        task.apply_async((str(notes),), time_limit=limit)
    with working(folder, url, config, workers):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(moments := notes.read_text().splitlines()) < tasks:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Of {tasks} empty tasks {len(moments)} were run.")
            time.sleep(0.1)
    return rate_of([float(moment) for moment in moments])


def statements(url: str, event_ids: Sequence[int], processes: int) -> float:
    """Recorded events a second that *processes* claim and complete by hand, one after the other."""
    shares = [event_ids[first::processes] for first in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return rate_of(
            [moment for found in pool.map(_execute, [url] * processes, shares) for moment in found]
        )


def _execute(url: str, event_ids: Sequence[int]) -> list[float]:
    """Execute the ledger's statements for each event; return when each was complete."""
    import psycopg  # which the process that measures may lack

    from flask_fd_whatsapp.ledger.sql.dialects.postgresql_statements import single_statements

    own = single_statements()
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    moments = []
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.cursor()
        for event_id in event_ids:
            values = {
                "event_id": event_id,
                "token": secrets.token_hex(16),
                "lease": _LEASE_SECONDS,
                "max_attempts": 20,
                "is_durable": False,
                "handled": json.dumps({"by hand": False}),
            }
            own.claim_pending.execute(cursor, values)
            (claimed,) = cursor.fetchall()
            own.complete.execute(cursor, {**values, "message_key": claimed[1]})
            if cursor.rowcount != 1:
                raise RuntimeError(f"Event {event_id} is not complete.")
            moments.append(time.time())
    return moments
