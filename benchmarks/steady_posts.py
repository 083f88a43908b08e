"""Posts at a steady rate over HTTP, and how long each waits while something else is going on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, Final

from .command import NotMeasured
from .requests import TOKEN, URL

_THREADS: Final = 32

COLUMNS: Final = {
    "posts": "requests, all answered with 200",
    "p50": "milliseconds from when a post was due until its answer",
    "p99": "the same",
    "longest": "the same",
}


def post_for(port: int, bodies: Iterator[bytes], rate: int, length: float) -> list[float]:
    """How long each answer took from when its post was due, in seconds, sorted.

    :param rate: posts a second.
    :param length: seconds.
    :raises NotMeasured: if an event was not accepted.
    """
    start = time.perf_counter()

    def post(job: tuple[int, bytes]) -> float:
        number, body = job
        due = start + number / rate
        time.sleep(max(due - time.perf_counter(), 0))
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", URL, body, {"Authorization": TOKEN})
            answer = connection.getresponse()
            answer.read()
        if answer.status != 200:
            raise NotMeasured(f"an event was answered with {answer.status}")
        return time.perf_counter() - due

    jobs = [(number, next(bodies)) for number in range(round(rate * length))]
    with ThreadPoolExecutor(_THREADS) as pool:
        return sorted(pool.map(post, jobs))


def row_of(waits: list[float]) -> dict[str, Any]:
    """The cells of :data:`COLUMNS`."""
    return {
        "posts": len(waits),
        "p50": waits[len(waits) // 2] * 1000,
        "p99": waits[int(len(waits) * 0.99)] * 1000,
        "longest": waits[-1] * 1000,
    }
