from __future__ import annotations

from itertools import count
from threading import Barrier, Thread

import pytest

from flask_fd_whatsapp.dashboard.shared_results import MOST, SharedResults


def test_a_result_lasts_a_minute() -> None:
    """It is computed again when it is too old."""
    now = [0.0]
    results, numbers = SharedResults(60, lambda: now[0]), count()
    given = []
    for now[0] in (0, 59, 60, 61):
        given.append(results.get("key", lambda: next(numbers)))
    assert given == [0, 0, 1, 1]


def test_who_asks_meanwhile_waits_for_it() -> None:
    """Several at once compute it once."""
    results, numbers, barrier = SharedResults(), count(), Barrier(4)
    given: list[int] = []

    def ask() -> None:
        barrier.wait()
        given.append(results.get("key", lambda: next(numbers)))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [0] * 4


def test_errors_are_not_kept() -> None:
    """After an error it is computed again."""
    results = SharedResults()
    with pytest.raises(ZeroDivisionError):
        results.get("key", lambda: 1 // 0)
    assert results.get("key", lambda: 2) == 2


def test_old_keys_make_room() -> None:
    """Filters that nobody asks for any more are forgotten."""
    results, numbers = SharedResults(), count()
    for key in range(MOST + 1):
        results.get(key, lambda: next(numbers))
    assert results.get(0, lambda: next(numbers)) == MOST + 1
