"""Writes in the background: no answer waits long for them, and none fails because of them."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Hashable
from threading import Condition, Thread
from typing import Final
from weakref import WeakSet

from ..log_fields import get_logger, log_fields
from ..per_process import PerProcess
from ..throttle import Throttle

logger = get_logger(__name__)

Write = Callable[[], None]
_Writes = dict[Hashable, Write]

AGAIN_SECONDS: Final = 1.0
"""The minimum delay before a failed write is retried."""

LOG_SECONDS: Final = 60

EXIT_SECONDS: Final = 2.0
"""How long an exiting process waits for pending writes."""


class WriteBehind:
    """Writes the newest value of each kind, at most once per interval.

    Values that arrive within the interval are written at its end, so that the last of a burst is
    never lost. Failed writes are retried until they succeed or the process ends. Each process has a
    single thread for this, which ends when nothing is left to write; however long a write hangs,
    there is never a second one.

    :param seconds: the interval.
    :param receiver: the name of the receiver that it writes for.
    :param what: what it writes, for the log.
    """

    def __init__(self, seconds: float, *, receiver: str, what: str) -> None:
        lines = Throttle(LOG_SECONDS)

        def tell(error: Exception) -> None:
            if lines.admit(None) is not None:
                logger.warning(
                    "%s: %s could not be written; trying again: %s",
                    receiver,
                    what,
                    error,
                    extra=log_fields(receiver=receiver),
                )

        self._writers = PerProcess(lambda: _Writer(seconds, tell))

    def put(self, kind: Hashable, write: Write, *, wait: float = 0, delay: float = 0) -> None:
        """Schedule a write, replacing a pending one of the same *kind*.

        :param write: writes; if it raises, it is retried, unless a newer one of its kind has been
            scheduled.
        :param wait: the maximum number of seconds to wait for the write, if it is not delayed and
            no other write is in progress.
        :param delay: by how many seconds to delay the first write of a kind.
        """
        self._writers.get().put(kind, write, wait, delay)


class _Writer:
    """The writer of one process."""

    def __init__(self, seconds: float, tell: Callable[[Exception], None]) -> None:
        self._seconds = seconds
        self._tell = tell
        self._is_hurried = False
        self._changed = Condition()
        self._due: _Writes = {}
        self._next_at: dict[Hashable, float] = {}
        self._is_running = False
        self._is_writing = False
        _writers.get().add(self)

    def put(self, kind: Hashable, write: Write, wait: float, delay: float) -> None:
        with self._changed:
            now = time.monotonic()
            is_put_off = self._next_at.setdefault(kind, now + delay) > now
            self._due[kind] = write
            if not self._is_running:
                self._start()
            self._changed.notify_all()
            if wait and not is_put_off and not self._is_writing:
                self._changed.wait_for(lambda: self._is_tried(kind, write), wait)

    def finish(self, deadline: float) -> None:
        """Write everything at once, waiting until *deadline*, a time of the monotonic clock."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            if self._due and not self._is_running:
                self._start()
            if self._due and not self._is_running:  # a process that ends has no more threads
                self._write_all()
            self._changed.wait_for(lambda: not self._is_running, deadline - time.monotonic())
            self._is_hurried = False

    def _is_tried(self, kind: Hashable, write: Write) -> bool:
        is_left = self._due.get(kind) is write and self._next_at[kind] <= time.monotonic()
        return not is_left and not self._is_writing

    def _start(self) -> None:
        self._is_running = True
        try:
            Thread(target=self._run, daemon=True).start()
        except (
            RuntimeError
        ):  # the process is exiting, or has no threads left: the next call may succeed
            self._is_running = False

    def _run(self) -> None:
        with self._changed:
            self._write_all()

    def _write_all(self) -> None:
        try:
            while self._due:
                self._write_ready()
        finally:  # whatever ended the thread (GreenletExit, say), the next write starts another
            self._is_running = False
            self._changed.notify_all()

    def _write_ready(self) -> None:
        """Write what is ready, or wait for the first write to become ready."""
        now = time.monotonic()
        ready = [kind for kind in self._due if self._is_hurried or self._next_at[kind] <= now]
        if not ready:
            self._changed.wait(min(self._next_at[kind] for kind in self._due) - now)
            return
        writes = {kind: self._due.pop(kind) for kind in ready}
        self._next_at.update(dict.fromkeys(ready, now + self._seconds))
        self._is_writing = True
        self._changed.release()
        try:
            self._write(writes)
        finally:
            self._changed.acquire()
            self._is_writing = False
            again_at = time.monotonic() + max(self._seconds, AGAIN_SECONDS)
            self._due = writes | self._due  # a value that arrived meanwhile is newer
            self._next_at.update(dict.fromkeys(writes, again_at))
            self._changed.notify_all()

    def _write(self, writes: _Writes) -> None:
        """Write until one fails; what is to be written again stays in *writes*."""
        for kind, write in list(writes.items()):
            try:
                write()
            except Exception as error:  # whatever a ledger raises, no answer depends on it
                self._tell(error)
                del writes[kind]
                if not self._is_hurried:
                    writes[kind] = write  # last, so that it holds up no other
                return
            del writes[kind]


def _none() -> WeakSet[_Writer]:
    return WeakSet()


_writers = PerProcess(_none)


def finish_writes(seconds: float) -> None:
    """Perform this process's pending writes, waiting at most this many seconds."""
    deadline = time.monotonic() + seconds
    for writer in list(_writers.get()):
        writer.finish(deadline)


atexit.register(finish_writes, EXIT_SECONDS)
