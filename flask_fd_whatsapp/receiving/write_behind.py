"""Writes beside the requests: no answer waits for them for long, and none fails with them."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Hashable
from threading import Condition, Thread
from typing import Final
from weakref import WeakSet

from ..per_process import PerProcess

Write = Callable[[], None]

EXIT_SECONDS: Final = 2.0
"""How long a process that ends waits for what is not written yet."""


class WriteBehind:
    """Writes of each kind the newest, at most once in an interval.

    What comes within the interval is written at its end, so that the last of a burst is never the
    one left out.  One thread of a process writes, which ends when nothing is left; there is never
    another one, however long a write hangs.

    :param seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        self._writers = PerProcess(lambda: _Writer(seconds))

    def put(self, kind: Hashable, write: Write, *, wait: float = 0) -> None:
        """Write soon, in place of what was put for the same *kind* and is not written yet.

        :param write: does it; may not raise.
        :param wait: how many seconds to wait at most until that is done, where it is not put off
            and no other write is under way.
        """
        self._writers.get().put(kind, write, wait)


class _Writer:
    """That of one process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_hurried = False
        self._changed = Condition()
        self._due: dict[Hashable, Write] = {}
        self._next_at: dict[Hashable, float] = {}
        self._is_running = False
        self._is_writing = False
        _writers.get().add(self)

    def put(self, kind: Hashable, write: Write, wait: float) -> None:
        with self._changed:
            self._due[kind] = write
            if not self._is_running:
                self._start()
            is_put_off = self._next_at.get(kind, 0) > time.monotonic()
            if is_put_off or self._is_writing:
                return
            self._changed.notify_all()
            if wait:
                self._changed.wait_for(lambda: self._is_written(kind, write), wait)

    def finish(self, deadline: float) -> None:
        """Write all at once, and wait for it until *deadline*, a time of the monotonic clock."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_running, deadline - time.monotonic())
            self._is_hurried = False

    def _is_written(self, kind: Hashable, write: Write) -> bool:
        return self._due.get(kind) is not write and not self._is_writing

    def _start(self) -> None:
        self._is_running = True
        try:
            Thread(target=self._run, daemon=True).start()
        except RuntimeError:  # the process ends, or has no more threads to give: the next may try
            self._is_running = False

    def _run(self) -> None:
        with self._changed:
            try:
                while self._due:
                    self._write_ready()
            finally:  # whatever ended a write (GreenletExit, say): the next that comes begins anew
                self._is_running = False
                self._changed.notify_all()

    def _write_ready(self) -> None:
        """Write what need not wait, or wait for the first that need not any more."""
        now = time.monotonic()
        ready = [
            kind for kind in self._due if self._is_hurried or self._next_at.get(kind, 0) <= now
        ]
        if not ready:
            self._changed.wait(min(self._next_at[kind] for kind in self._due) - now)
            return
        writes = [self._due.pop(kind) for kind in ready]
        self._next_at.update(dict.fromkeys(ready, now + self._seconds))
        self._is_writing = True
        self._changed.release()
        try:
            for write in writes:
                write()
        finally:
            self._changed.acquire()
            self._is_writing = False
        self._changed.notify_all()


def _none() -> WeakSet[_Writer]:
    return WeakSet()


_writers = PerProcess(_none)


def finish_writes(seconds: float) -> None:
    """Write what this process has put off, and wait for it so many seconds at most."""
    deadline = time.monotonic() + seconds
    for writer in list(_writers.get()):
        writer.finish(deadline)


atexit.register(finish_writes, EXIT_SECONDS)
