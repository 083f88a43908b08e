from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects import slices as slices_module
from flask_fd_whatsapp.ledger.sql.dialects.slices import (
    BUSY_SECONDS,
    QUICK_SECONDS,
    SLICE_SECONDS,
    Slices,
)

from .entries import POLICY, entry

pytestmark = pytest.mark.skipif(not hasattr(os, "pread"), reason="Windows has no pread")

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


def handle(process: Slices, clock: Clock, seconds: float = QUICK_SECONDS / 4) -> bool:
    """Handle an event, for which the handlers take *seconds*, if the process has the slice."""
    if not process.try_to_enter():
        return False
    process.keep(QUICK_SECONDS)
    clock.now += seconds
    process.keep(BUSY_SECONDS)
    return True


def test_others_stand_by_while_handlers_are_quick(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """Of two processes with quick handlers one continues, and the other does not interfere."""
    first, second = process(1), process(2)
    for _ in range(20):
        assert handle(first, clock)
        assert not second.try_to_enter()


def test_slow_handler_lets_others_continue(process: Callable[[int], Slices], clock: Clock) -> None:
    """A process whose handler is slow, hangs or has killed it holds nobody up."""
    first, second = process(1), process(2)
    assert handle(first, clock, SLOW)
    assert handle(second, clock, SLOW)
    assert handle(first, clock, SLOW)


def test_others_stand_by_while_a_commit_waits_for_the_disk(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """A process may use the file for longer than a handler may take, but not for ever."""
    first, second = process(1), process(2)
    assert first.try_to_enter()
    clock.now += BUSY_SECONDS * 0.9
    assert not second.try_to_enter()
    clock.now += BUSY_SECONDS * 0.2
    assert second.try_to_enter()


def test_lost_slice_is_not_kept(process: Callable[[int], Slices], clock: Clock) -> None:
    """A process with a slow handler does not prolong the slice that another has taken since."""
    first, second, third = process(1), process(2), process(3)
    assert first.try_to_enter()
    first.keep(QUICK_SECONDS)
    clock.now += SLOW
    assert second.try_to_enter()
    clock.now += BUSY_SECONDS / 2
    first.keep(BUSY_SECONDS)
    clock.now += BUSY_SECONDS * 0.6
    assert third.try_to_enter()


def test_slice_ends_while_another_stands_by(process: Callable[[int], Slices], clock: Clock) -> None:
    """After its slice a process lets one that stands by continue, and stands by itself."""
    first, second, third = process(1), process(2), process(3)
    end = clock.now + SLICE_SECONDS
    while clock.now < end:
        assert handle(first, clock)
        assert not second.try_to_enter()
    assert not first.try_to_enter()
    assert not third.try_to_enter()
    assert handle(second, clock)
    assert not first.try_to_enter()


def test_slice_may_end_between_batches(process: Callable[[int], Slices], clock: Clock) -> None:
    """Between two batches a process lets another continue, once it has had half its slice."""
    first, second = process(1), process(2)
    assert handle(first, clock)
    assert not second.try_to_enter()
    first.leave()
    assert not second.try_to_enter()
    end = clock.now + SLICE_SECONDS * 0.6
    while clock.now < end:
        assert handle(first, clock)
    first.leave()
    assert second.try_to_enter()
    assert not first.try_to_enter()


def test_process_that_stood_by_longest_is_next(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """Processes continue in the order in which they came, even if one looks more often."""
    processes = {number: process(number) for number in range(1, 5)}
    order: list[int] = []
    end = clock.now + 10 * SLICE_SECONDS
    while clock.now < end:
        for number in (1, 1, 2, 3, 4):  # the first looks first, and more often
            if handle(processes[number], clock) and order[-1:] != [number]:
                order.append(number)
    assert order[:9] == [1, 2, 3, 4, 1, 2, 3, 4, 1]


def test_process_alone_continues(process: Callable[[int], Slices], clock: Clock) -> None:
    """A slice continues until another process wants it."""
    first, second = process(1), process(2)
    end = clock.now + 2.5 * SLICE_SECONDS
    while clock.now < end:
        assert handle(first, clock)
        first.leave()
    assert not second.try_to_enter()
    assert not first.try_to_enter()
    assert second.try_to_enter()


def test_process_that_has_gone_is_not_waited_for(
    process: Callable[[int], Slices], clock: Clock
) -> None:
    """A slice passed to a process that has gone returns."""
    first, second = process(1), process(2)
    end = clock.now + SLICE_SECONDS
    while clock.now < end:
        assert handle(first, clock)
        assert not second.try_to_enter()
    assert not first.try_to_enter()
    clock.now += BUSY_SECONDS * 1.1
    assert first.try_to_enter()


def test_slice_kept_while_another_process_looks(tmp_path: Path, clock: Clock) -> None:
    """A slice that is kept while another process looks is not taken for another clock's."""
    first = Slices(str(tmp_path / "turn"), lambda: 1, clock)

    def looks_slowly() -> float:
        now = clock.now
        clock.now += QUICK_SECONDS / 10
        assert first.try_to_enter()
        return now

    second = Slices(str(tmp_path / "turn"), lambda: 2, looks_slowly)
    assert first.try_to_enter()
    assert not second.try_to_enter()


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
            assert handle(slices, clock)
            slices.leave()
            assert handle(slices, clock)


@pytest.mark.parametrize("content", [b"", b"\xff" * 7, b"\xff" * 32, b"\xff" * 100])
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
    monkeypatch.setattr(slices_module, "BUSY_SECONDS", 3600.0)
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
