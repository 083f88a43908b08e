from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event

import pytest
from flask import Flask

from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects import writer_lock as turn_module
from flask_fd_whatsapp.ledger.sql.dialects.writer_lock import OpenFile, Turn

from ..concurrency.threads import TIMEOUT
from .entries import RECEIVER, handle
from .interruptions import interrupted

fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "turn")


def hold(path: str, told: Connection) -> None:
    """In a process of its own: take a turn, say so, and end it when asked to."""
    with Turn(path, TIMEOUT):
        told.send("taken")
        told.recv()


@pytest.fixture
def holder(path: str) -> Iterator[tuple[Connection, int]]:
    """A process that holds the turn, and the connection by which it is asked to end it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(path, there))
    process.start()
    there.close()
    try:
        assert here.recv() == "taken"
        assert process.pid is not None
        yield here, process.pid
    finally:
        process.kill()
        process.join()


def test_processes_queue(path: str, holder: tuple[Connection, int]) -> None:
    """During another process's turn nobody else gets it; then the next one does."""
    told, _ = holder
    turn, is_taken = Turn(path, TIMEOUT), Event()

    def take() -> None:
        with turn:
            is_taken.set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(take)
        assert not is_taken.wait(0.2)
        told.send("end")
        waiting.result(TIMEOUT)


def test_waits_so_long_for_processes(path: str, holder: tuple[Connection, int]) -> None:
    """Waiting for another process's turn is bounded, and this process can get it later."""
    turn = Turn(path, 0.05)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"for 0\.05 seconds"):
            turn.__enter__()
    os.kill(holder[1], signal.SIGKILL)
    with Turn(path, TIMEOUT), ThreadPoolExecutor(1) as pool, pytest.raises(LedgerUnavailable):
        pool.submit(turn.__enter__).result(TIMEOUT)
    with turn:
        pass


def test_passes_on(path: str) -> None:
    """A writer lets another process come to the front, but no thread of its own."""
    mine, other = Turn(path, 0.05), Turn(path, 0.05)
    with mine, ThreadPoolExecutor(1) as pool:
        with pytest.raises(LedgerUnavailable):
            other.__enter__()
        mine.pass_on()
        with other:
            pass
        with pytest.raises(LedgerUnavailable):
            pool.submit(mine.__enter__).result(TIMEOUT)


def test_dead_holder(path: str, holder: tuple[Connection, int]) -> None:
    """A process killed during its turn blocks nobody."""
    os.kill(holder[1], signal.SIGKILL)
    with Turn(path, TIMEOUT):
        pass


def test_threads_wait_so_long() -> None:
    """A thread that waits too long for others gets an error, and the turn stays theirs."""
    turn = Turn(None, 0.01)
    refused = pytest.raises(LedgerUnavailable, match=r"for 0\.01 seconds")
    for _ in range(2):
        with turn, ThreadPoolExecutor(1) as pool, refused:
            pool.submit(turn.__enter__).result(TIMEOUT)


def fork_in_turn(path: str, told: Connection) -> None:
    """In a separate process without threads: fork during its turn, and report what happens."""
    turn = Turn(path, TIMEOUT)
    ready, end = os.pipe()
    with turn:
        child = os.fork()
        if child == 0:
            turn.leave()
            os.write(end, b"waiting ")
            with turn:
                os.write(end, b"taken")
            os._exit(0)
        assert os.read(ready, 8) == b"waiting "
        os.set_blocking(ready, False)
        with suppress(BlockingIOError):
            told.send(os.read(ready, 8))
    os.waitpid(child, 0)
    told.send(os.read(ready, 8))


def test_forked_child(path: str) -> None:
    """A process forked during its parent's turn waits for its end, and does not end it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=fork_in_turn, args=(path, there))
    process.start()
    there.close()
    process.join(TIMEOUT)
    assert here.recv() == b"taken"
    with pytest.raises(EOFError):
        here.recv()


@pytest.mark.parametrize("place", ["missing/turn", "."])
def test_no_file(tmp_path: Path, place: str) -> None:
    """If the file cannot be created, threads still queue."""
    turn = Turn(str(tmp_path / place), 0.01)
    for _ in range(2):
        with turn, ThreadPoolExecutor(1) as pool, pytest.raises(LedgerUnavailable):
            pool.submit(turn.__enter__).result(TIMEOUT)


def test_thread_interrupted_anywhere_frees_the_lock(path: str) -> None:
    """Wherever a thread is interrupted, giving back the turn frees it for all others."""
    for at in itertools.count(1):
        turn = Turn(path, TIMEOUT)
        with interrupted(at, turn_module) as places, suppress(KeyboardInterrupt), turn:
            pass
        turn.give_back()
        with closing(os.fdopen(os.open(path, os.O_RDONLY | os.O_CREAT))) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(turn.__enter__).result(TIMEOUT)
        turn.leave()
        if not places:
            break


def open_files() -> set[str]:
    return {str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no list of open files")
def test_a_ledger_that_is_disposed_of_leaves_no_file_open(tmp_path: Path) -> None:
    """Neither its database nor what its processes take turns by; used again, it opens them."""
    app = Flask("host", instance_path=str(tmp_path))
    ledger = SQLLedger.from_url(f"sqlite:///{tmp_path / 'ledger.db'}", app)
    for message_id in ("M1", "M2"):
        handle(ledger, message_id=message_id)
        ledger.reservations.reserve(receiver=RECEIVER, limit=1, seconds=60)
        ledger.database.stand_by()
        assert {str(tmp_path / name) for name in ("ledger.db", "ledger.db-turn")} <= open_files()
        ledger.engine.dispose()
        assert not [one for one in open_files() if one.startswith(str(tmp_path))]


def test_a_turn_whose_file_is_closed_meanwhile_ends_as_ever(path: str) -> None:
    """Whatever thread disposes of the engine: the next turn opens the file again."""
    turn = Turn(path, TIMEOUT)
    with turn:
        turn.close()
    with turn, pytest.raises(LedgerUnavailable), Turn(path, 0.01):
        pass


def test_a_file_whose_number_was_given_to_another_stays_open(path: str, tmp_path: Path) -> None:
    """A host that closes all files, as daemons do, may open its own under the same numbers."""
    file = OpenFile(path, os.O_RDONLY)
    number = int(file)
    with (tmp_path / "other").open("w") as other:
        os.dup2(other.fileno(), number)  # which closes the file, too
        del file
        os.fstat(number)
        os.close(number)
