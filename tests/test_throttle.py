from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flask_fd_whatsapp.throttle import MOST_KINDS, Once, Throttle

from .concurrency.threads import Clock


def test_one_in_an_interval() -> None:
    """The first passes at once, then one per interval, with the number held back."""
    clock = Clock()
    throttle = Throttle(60, clock)
    passed = []
    for _ in range(13):
        passed.append(throttle.admit("a"))
        clock.now += 10
    assert passed == [0, *[None] * 5, 5, *[None] * 5, 5]


def test_another_kind_is_not_held_back() -> None:
    """Another kind is not held back or counted."""
    throttle = Throttle(60, Clock())
    assert [throttle.admit(kind) for kind in "abab"] == [0, 0, None, None]


def test_one_of_many_threads_passes() -> None:
    """Of many concurrent threads one passes, and the others are counted."""
    clock = Clock()
    throttle = Throttle(60, clock)
    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(lambda _: throttle.admit("a"), range(1000)))
    assert [told for told in passed if told is not None] == [0]
    clock.now += 60
    assert throttle.admit("a") == 999


def test_one_of_each_kind_passes() -> None:
    """One of each kind passes, up to the maximum number of kinds."""
    once = Once()
    assert [once.admit("a"), once.admit("b"), once.admit("a")] == [True, True, False]
    passed = [kind for kind in range(MOST_KINDS) if once.admit(kind)]
    assert len(passed) == MOST_KINDS - 2
