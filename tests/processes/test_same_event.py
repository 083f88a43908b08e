from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from .aftermath import Aftermath, prepare
from .posting import TIMEOUT, post_at_once, set_up

PROCESSES, THREADS = 4, 13
"""Some fifty threads in all."""


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    context = get_context("spawn")
    barrier = context.Barrier(PROCESSES * THREADS)
    with ProcessPoolExecutor(PROCESSES, context, set_up, (barrier,)) as pool:
        yield pool


def test_same_event(url: str, tmp_path: Path, processes: ProcessPoolExecutor) -> None:
    """Of 52 threads in four processes that post one event, one calls each handler."""
    prepare(url)
    posting = [
        processes.submit(post_at_once, url, tmp_path, "M1", THREADS) for _ in range(PROCESSES)
    ]
    results: Counter[str] = sum((task.result(TIMEOUT) for task in posting), Counter())
    assert results == {"accepted": 1, "duplicate": PROCESSES * THREADS - 1}
    aftermath = Aftermath(url, tmp_path)
    aftermath.verify({("M1", "QUEUED")})
    assert (tmp_path / "lines").read_text().splitlines() == ["M1 QUEUED"]
