from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects import slices as slices_module
from flask_fd_whatsapp.ledger.sql.dialects.slices import QUICK_SECONDS, SLICE_SECONDS, Slices

from .entries import POLICY, entry

pytestmark = pytest.mark.skipif(not hasattr(os, "pread"), reason="Windows has no pread")

QUICK = QUICK_SECONDS / 4
SLOW = QUICK_SECONDS * 1.5


class Clock:
    """One that all processes share."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(tmp_path: Path, clock: Clock) -> Callable[[int], Slices]:
    """Makes the slices of the process with an id."""
    return lambda me: Slices(str(tmp_path / "turn"), lambda: me, clock)


def test_the_others_stand_by_while_events_are_quick(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """Of two processes with quick events one continues, and the other does not interleave."""
    first, second = process(1), process(2)
    for _ in range(20):
        assert first.try_to_enter()
        clock.now += QUICK
        assert not second.try_to_enter()


def test_a_slow_event_lets_the_others_go_on(process: Callable[[int], Slices], clock: Clock) -> None:
    """A process that is slow, hangs or has died holds up nobody."""
    first, second = process(1), process(2)
    assert first.try_to_enter()
    clock.now += SLOW
    assert second.try_to_enter()
    clock.now += SLOW
    assert first.try_to_enter()


def test_a_slice_ends_where_another_stands_by(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """After its slice a process hands over to the one that stands by, and stands by itself."""
    first, second, third = process(1), process(2), process(3)
    end = clock.now + SLICE_SECONDS
    while clock.now < end:
        assert first.try_to_enter()
        assert not second.try_to_enter()
        clock.now += QUICK
    assert not first.try_to_enter()
    assert not third.try_to_enter()
    assert second.try_to_enter()
    clock.now += QUICK
    assert not first.try_to_enter()


def test_a_process_alone_goes_on_without_end(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """A slice continues until another process wants it."""
    first, second = process(1), process(2)
    for _ in range(2 * int(SLICE_SECONDS / QUICK)):
        assert first.try_to_enter()
        clock.now += QUICK
    assert not second.try_to_enter()
    assert not first.try_to_enter()
    assert second.try_to_enter()


def test_one_that_no_longer_stands_by_is_not_waited_for(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """A slice passed to a process that has gone returns."""
    first, second = process(1), process(2)
    assert first.try_to_enter()
    assert not second.try_to_enter()
    clock.now += SLICE_SECONDS
    assert not first.try_to_enter()
    clock.now += SLOW
    assert first.try_to_enter()


def test_what_another_clock_has_noted_keeps_nobody(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """An end too far in the future is from another clock, such as before a restart."""
    first, second = process(1), process(2)
    clock.now += 3600
    assert first.try_to_enter()
    clock.now -= 3600
    assert second.try_to_enter()


def test_without_a_file_nobody_stands_by(tmp_path: Path, clock: Clock) -> None:
    """Without a place for the note, each process continues."""
    for path in (None, str(tmp_path / "missing" / "turn")):
        for me in (1, 2):
            slices = Slices(path, lambda me=me: me, clock)  # type: ignore[misc]
            assert slices.try_to_enter()
            assert slices.try_to_enter()


@pytest.mark.parametrize("content", [b"", b"\xff" * 7, b"\xff" * 24, b"\xff" * 100])
def test_whatever_is_in_the_file_keeps_nobody(tmp_path: Path, clock: Clock, content: bytes) -> None:
    """An invalid note is overwritten."""
    path = tmp_path / "turn"
    path.write_bytes(content)
    first, second = (Slices(str(path), lambda me=me: me, clock) for me in (1, 2))  # type: ignore[misc]
    assert first.try_to_enter()
    assert not second.try_to_enter()


def test_who_claims_a_recorded_event_stands_by_and_a_request_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep's claims use slices; requests that wait for a message do not."""
    monkeypatch.setattr(slices_module, "QUICK_SECONDS", 3600.0)
    monkeypatch.setattr(slices_module, "SLICE_SECONDS", 0.0)
    ledger = SQLLedger.from_url("sqlite:///ledger.db", Flask("x", instance_path=str(tmp_path)))
    other = Slices(str(tmp_path / "ledger.db-turn"), lambda: -1)
    event_id = ledger.record(entry(), POLICY, claim=False).id
    assert other.try_to_enter()
    for_a_request = ledger.claim(event_id, POLICY, wait=1)
    assert for_a_request is not None
    assert for_a_request.claim is not None
    assert other.try_to_enter()
    for_a_request.claim.undo()
    other_event = ledger.record(entry(message_id="OTHER"), POLICY, claim=False).id
    monkeypatch.setattr(slices_module, "PATIENCE_SECONDS", 0.0)
    ledger.claim(other_event, POLICY)
    assert not other.try_to_enter(), "nobody stands by"
    ledger.engine.dispose()
