"""Background writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Condition, Event

import pytest

from flask_fd_whatsapp import per_process
from flask_fd_whatsapp.receiving import write_behind
from flask_fd_whatsapp.receiving.write_behind import WriteBehind, finish_writes

from ..concurrency.threads import TIMEOUT
from ..processes.waiting import wait_until

LONG = 3600.0
"""An interval that no test sees the end of."""

SHORT = 0.05


def writing(seconds: float) -> WriteBehind:
    return WriteBehind(seconds, receiver="one", what="it")


def noting(written: list[str], what: str) -> Callable[[], None]:
    return lambda: written.append(what)


def test_the_first_of_each_kind_is_written_at_once() -> None:
    """The first of each kind is written at once, and can be waited for."""
    written: list[str] = []
    writes = writing(LONG)
    for kind in ("a", "b"):
        writes.put(kind, noting(written, kind), wait=TIMEOUT)
        assert written[-1] == kind


def test_the_newest_at_the_end_of_the_interval() -> None:
    """The newest value within an interval is written at its end, and nothing else."""
    written: list[str] = []
    writes = writing(SHORT)
    for number in range(4):
        writes.put("a", noting(written, f"a{number}"), wait=TIMEOUT)
    wait_until(lambda: written[-1] == "a3", "the last is written")
    assert written in (["a0", "a3"], ["a0", "a2", "a3"], ["a0", "a1", "a3"])


def test_put_off_and_finished() -> None:
    """Delayed writes are done at the end, and hanging ones are not waited for."""
    written: list[str] = []
    goes_on = Event()
    writes = writing(LONG)
    for number in range(2):
        writes.put("a", noting(written, f"a{number}"), wait=TIMEOUT if number == 0 else 0)
    assert written == ["a0"]
    finish_writes(TIMEOUT)
    assert written == ["a0", "a1"]
    writes.put("b", lambda: goes_on.wait(TIMEOUT) and None)
    finish_writes(0.01)
    goes_on.set()


def test_what_was_put_off_is_written_when_the_process_ends(tmp_path: Path) -> None:
    """A process that exits does its delayed writes first."""
    code = """
import sys
from pathlib import Path
from flask_fd_whatsapp.receiving.write_behind import WriteBehind
writes = WriteBehind(3600, receiver="one", what="it")
writes.put("a", lambda: None, wait=30)
writes.put("a", lambda: Path(sys.argv[1]).touch() and None)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "written")], check=True)
    assert (tmp_path / "written").exists()


def test_what_no_thread_can_be_had_for_is_written_when_the_process_ends(tmp_path: Path) -> None:
    """A write scheduled when the process cannot start threads is done before it exits."""
    code = """
import atexit, sys
from pathlib import Path
from flask_fd_whatsapp.receiving.write_behind import WriteBehind
writes = WriteBehind(3600, receiver="one", what="it")
atexit.register(writes.put, "a", lambda: Path(sys.argv[1]).touch())
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "written")], check=True)
    assert (tmp_path / "written").exists()


def failing(times: int, written: list[str], what: str) -> Callable[[], None]:
    """A write that fails this many times first."""
    left = [None] * times

    def write() -> None:
        if left:
            left.pop()
            raise RuntimeError("down")
        written.append(what)

    return write


def test_what_failed_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Failed writes are retried without further calls, delay no others, and are logged once."""
    monkeypatch.setattr(write_behind, "AGAIN_SECONDS", SHORT)
    written: list[str] = []
    writes = writing(SHORT)
    writes.put("a", failing(3, written, "a"), wait=TIMEOUT)
    writes.put("b", noting(written, "b"), wait=TIMEOUT)
    wait_until(lambda: len(written) == 2, "both are written")
    assert written == ["b", "a"]
    assert caplog.messages == ["one: it could not be written; trying again: down"]


def test_what_failed_gives_way_to_what_is_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed write is not retried once there is a newer one of its kind."""
    written: list[str] = []
    writes = writing(LONG)
    writes.put("a", failing(1, written, "old"), wait=TIMEOUT)
    writes.put("a", noting(written, "new"))
    finish_writes(TIMEOUT)
    assert written == ["new"]


def test_what_fails_at_the_end_keeps_nothing_else_from_being_written() -> None:
    """An exiting process tries all remaining writes once, even if some fail."""
    written: list[str] = []
    tries: list[str] = []
    writes = writing(LONG)

    def fail() -> None:
        tries.append("a")
        raise RuntimeError("down")

    for kind in ("a", "b"):
        writes.put(kind, noting([], kind), wait=TIMEOUT)
    writes.put("a", fail)
    writes.put("b", noting(written, "b"))
    finish_writes(TIMEOUT)
    assert (tries, written) == (["a"], ["b"])


def test_a_write_that_hangs() -> None:
    """While a write hangs, no call waits, no second thread starts, and nothing is lost."""
    written: list[str] = []
    begun, goes_on = Event(), Event()

    def hangs() -> None:
        begun.set()
        assert goes_on.wait(TIMEOUT)
        written.append("a")

    before = set(threading.enumerate())
    writes = writing(SHORT)
    writes.put("a", hangs, wait=0.001)
    assert begun.wait(TIMEOUT)
    for _ in range(50):
        writes.put("b", noting(written, "b"), wait=TIMEOUT)
        writes.put("c", noting(written, "c"), wait=TIMEOUT)
    assert written == []
    assert len(set(threading.enumerate()) - before) == 1
    goes_on.set()
    wait_until(lambda: len(written) == 3, "all are written")
    assert written == ["a", "b", "c"]


def test_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started nothing is raised, and the next one writes everything."""
    written: list[str] = []
    writes = writing(LONG)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        writes.put("a", noting(written, "a"), wait=0.001)
    assert written == []
    writes.put("b", noting(written, "b"), wait=TIMEOUT)
    assert written == ["a", "b"]


def test_a_write_that_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a write that ended its thread, another thread does the next one."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    threads: list[threading.Thread] = []
    written: list[str] = []
    writes = writing(SHORT)

    def end() -> None:
        threads.append(threading.current_thread())
        raise SystemExit

    writes.put("a", end, wait=TIMEOUT)
    threads[0].join(TIMEOUT)
    writes.put("b", noting(written, "b"), wait=TIMEOUT)
    assert written == ["b"]


def test_a_write_that_ends_the_thread_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes queued behind it are done with the next one."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(write_behind, "AGAIN_SECONDS", 0.0)
    threads: list[threading.Thread] = []
    written: list[str] = []
    writes = writing(SHORT)
    is_begun, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        threads.append(threading.current_thread())
        is_begun.set()
        may_end.wait(TIMEOUT)

    def end() -> None:
        if "ended" not in written:
            written.append("ended")
            raise SystemExit

    writes.put("held", hold)
    is_begun.wait(TIMEOUT)
    writes.put("a", end)
    writes.put("b", noting(written, "b"))
    may_end.set()
    threads[0].join(TIMEOUT)
    writes.put("c", noting(written, "c"), wait=TIMEOUT)
    finish_writes(TIMEOUT)
    assert written[0] == "ended"
    assert sorted(written[1:]) == ["b", "c"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork() -> None:
    """A process forked during a write writes with its own thread."""
    begun, goes_on = Event(), Event()
    writes = writing(LONG)

    def hangs() -> None:
        begun.set()
        goes_on.wait(TIMEOUT)

    writes.put("a", hangs, wait=0.001)
    assert begun.wait(TIMEOUT)
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the thread, which is the point
        child = os.fork()
    if not child:
        writes.put("a", lambda: os.write(writer, b"written") and None, wait=TIMEOUT)
        os._exit(0)
    goes_on.set()
    os.close(writer)
    assert os.read(reader, 99) == b"written"
    os.close(reader)
    os.waitpid(child, 0)


def test_threads_begin_together_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent first writers in a new process share one thread."""
    writes = writing(LONG)
    is_met, goes_on = Barrier(2), Event()

    def meet() -> Condition:
        is_met.wait(TIMEOUT)  # both have found that the process is new
        return Condition()

    monkeypatch.setattr(per_process, "getpid", lambda: -1)
    monkeypatch.setattr(write_behind, "Condition", meet)
    before = set(threading.enumerate())
    written: list[str] = []

    def put(kind: str) -> None:
        def write() -> None:
            assert goes_on.wait(TIMEOUT)
            written.append(kind)

        writes.put(kind, write)

    with ThreadPoolExecutor(2) as pool:
        putting = [pool.submit(put, kind) for kind in "ab"]
        for future in putting:
            future.result(TIMEOUT)
        started = [one for one in set(threading.enumerate()) - before if "Pool" not in one.name]
        assert len(started) == 1
        goes_on.set()
        wait_until(lambda: sorted(written) == ["a", "b"], "both are written")
