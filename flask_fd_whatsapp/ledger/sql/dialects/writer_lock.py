"""Whose turn it is to write to a SQLite file, which takes one writer at a time.

On its own, SQLite polls with a growing back-off, and some of many writers starve for seconds.
They queue here first: the one in front polls SQLite often, and lets the next process come to
the front as soon as it may write.  This only provides order: mutual exclusion comes from
SQLite's own lock.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from ....exceptions import LedgerUnavailable

if sys.platform == "win32":
    _HAS_FILE_LOCKS = False
else:
    import fcntl

    _HAS_FILE_LOCKS = True

SHORTEST_PAUSE_SECONDS: Final = 0.0001
LONGEST_PAUSE_SECONDS: Final = 0.01


def ask_until(
    deadline: float, is_so: Callable[[], bool], longest_pause: float = LONGEST_PAUSE_SECONDS
) -> bool:
    """Whether *is_so* was true before the *deadline*, a time of :func:`time.monotonic`.

    By polling, since a blocking wait for a file lock cannot be interrupted while the holding
    process is stopped, and lets no other greenlet run.
    """
    begun = now = time.monotonic()
    while not is_so():
        if now >= deadline:
            return False
        # Proportional, so that little time is lost however long it takes.
        time.sleep(min(max((now - begun) / 10, SHORTEST_PAUSE_SECONDS), longest_pause))
        now = time.monotonic()
    return True


class OpenFile(int):
    """The descriptor of an open file, created if missing; closed with the last reference to it.

    So whoever drops it need not know whether another thread is using it right now.
    """

    _is: tuple[int, int] | None = None

    def __new__(cls, path: str, flags: int) -> Self:
        opened = super().__new__(cls, os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o666))
        opened._is = _identity(opened)
        return opened

    def __del__(self) -> None:
        # Not if it was closed elsewhere: another file may have its number now.
        with suppress(OSError):
            if self._is == _identity(self):
                os.close(self)


def _identity(file: int) -> tuple[int, int]:
    stat = os.fstat(file)
    return stat.st_dev, stat.st_ino


class Turn:
    """A lock among this process's threads and, by a lock on a file, a queue among processes.

    The operating system releases a dead process's.  Forked processes have to :meth:`leave` it.

    :param path: the file, created if missing; without one, or where files cannot be locked, only
        the threads queue.
    :param seconds: how long to wait for it, for others of this process and for other processes.
    """

    def __init__(self, path: str | None, seconds: float) -> None:
        self._seconds = seconds
        self._path = path if _HAS_FILE_LOCKS else None
        # Not imported by name: gevent may have patched it by the time of first use.
        self._threads = threading.RLock()
        self._file: OpenFile | None = None
        self._may_be_locked = False
        self._is_paused = False

    def __enter__(self) -> None:
        deadline = time.monotonic() + self._seconds
        try:
            if not self._threads.acquire(timeout=self._seconds) or not self._lock(deadline):
                raise LedgerUnavailable(
                    f"Others have been writing to the database for {self._seconds} seconds."
                )
        except BaseException:
            self.give_back()
            raise

    def __exit__(self, *_: object) -> None:
        self.pass_on()
        try:
            self._threads.release()
        except RuntimeError:  # a process forked during its parent's turn has left it
            return

    def pass_on(self) -> None:
        """Let the next process come to the front; this one's threads still wait.

        Called once SQLite's lock is held.
        """
        file = self._file
        if not self._may_be_locked or file is None:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_UN)
        except OSError:
            self._file = None  # closed elsewhere, which unlocked it
        self._may_be_locked = False

    def give_back(self) -> None:
        """End this thread's turn, if it has one; idempotent.

        For a thread that was interrupted and cannot tell.
        """
        if not self._threads.acquire(blocking=False):
            return  # another thread's turn
        try:
            self.pass_on()
        finally:
            with suppress(RuntimeError):  # all levels are released
                while True:
                    self._threads.release()

    def _lock(self, deadline: float) -> bool:
        if self._path is None:
            return True
        try:
            file = self._file
            if file is None:
                file = self._file = OpenFile(self._path, os.O_RDONLY)
            return self._try_to_lock(file) or ask_until(deadline, lambda: self._try_to_lock(file))
        except OSError:
            self.close()
            self._path = None
            return True

    def _try_to_lock(self, file: OpenFile) -> bool:
        self._may_be_locked = True  # set before locking: a signal may come in between
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def pause(self) -> None:
        """Wait for the current turn to end, and start no other."""
        self._is_paused = self._threads.acquire(timeout=self._seconds)

    def resume(self) -> None:
        """End a pause."""
        if self._is_paused:
            self._threads.release()

    def leave(self) -> None:
        """In a forked process: leave all locks to its parent."""
        self._threads = threading.RLock()
        self.close()

    def close(self) -> None:
        """Close the file, which is opened again for the next turn."""
        self._file = None
