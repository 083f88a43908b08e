from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from flask_fd_whatsapp.engagement.elapsed import Elapsed


def elapsed(values: list[float]) -> Elapsed:
    """Times, added."""
    made = Elapsed()
    for value in values:
        made.add(value)
    return made


def some(seed: int, count: int) -> list[float]:
    chance = random.Random(seed)
    return [round(10 ** chance.uniform(-4, 7), 6) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 9, 10, 100, 2048, 2049, 10_000])
def test_percentiles_are_exact(count: int) -> None:
    """Percentiles are those of the sorted times by nearest rank, however many pieces there are."""
    values = some(count, count)
    times, ordered = elapsed(values).times(), sorted(values)
    for told, per_cent in ((times.p50, 50), (times.p90, 90), (times.p99, 99)):
        assert told == timedelta(seconds=ordered[-(-count * per_cent // 100) - 1])


def test_merged_are_the_same_as_added() -> None:
    """Pieces of several groups, small ones and large ones, give what all of them give."""
    parts = [some(seed, count) for seed, count in enumerate((1, 700, 2048, 5000, 3))]
    total = Elapsed()
    for part in parts:
        total.merge(elapsed(part))
    assert total.times() == elapsed([value for part in parts for value in part]).times()


@pytest.mark.parametrize("kept", [0, 500])
def test_folded_are_within_five_per_cent(kept: int) -> None:
    """What is folded keeps its counts exactly, and its percentiles within 5 % or 1 ms."""
    values, rest = some(1, 3000), some(2, kept)
    folded = Elapsed.unfolded(json.loads(json.dumps(elapsed([*values, -1]).folded())))
    folded.merge(elapsed(rest))
    told, exact = folded.times(), elapsed([*values, *rest, -1]).times()
    assert (told.n, told.negative, told.histogram) == (exact.n, exact.negative, exact.histogram)
    for one, other in ((told.p50, exact.p50), (told.p90, exact.p90), (told.p99, exact.p99)):
        assert one is not None
        assert other is not None
        assert abs(one - other) <= max(other * 0.05, timedelta(milliseconds=1))
    assert folded.late() == elapsed([*values, *rest]).late()


def test_of_none_there_are_no_percentiles() -> None:
    """Without durations there are no figures."""
    times = Elapsed().times()
    assert (times.n, times.p50, times.p99) == (0, None, None)
