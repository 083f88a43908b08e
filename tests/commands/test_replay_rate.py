from __future__ import annotations

from flask_fd_whatsapp.commands.replay_rate import BATCH_SECONDS, LARGEST, SMALLEST, Pace


def test_finds_its_size() -> None:
    """Batches grow to what takes a hundredth of a second."""
    pace = Pace()
    for _ in range(100):
        pace.pause(pace.size * 0.0001)
    assert 0.8 * BATCH_SECONDS < pace.size * 0.0001 < 1.2 * BATCH_SECONDS


def test_batch_has_bounds() -> None:
    """However quick or slow the database, a batch has its bounds."""
    pace = Pace()
    for _ in range(100):
        pace.pause(0)
    assert pace.size == LARGEST
    pace.pause(60)
    assert pace.size == SMALLEST


def test_pauses_as_long_as_it_took() -> None:
    """Others get at least half of the time."""
    assert Pace().pause(0.5) == 0.5
    assert Pace().pause(0) == BATCH_SECONDS
