"""Whose turn it is to write to a SQLite file, which takes one writer at a time.

Left to itself, SQLite asks again and again at growing intervals, and of many writers some do not
come to it for seconds.  They queue here first.  Only order comes from it: what keeps writers
apart is SQLite's own lock.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import RLock

from ...exceptions import LedgerUnavailable

if sys.platform == "win32":
    _HAS_FILE_LOCKS = False
else:
    import fcntl

    _HAS_FILE_LOCKS = True


class Turn:
    """A lock among this process's threads and, by a lock on a file, among processes.

    The operating system lets go of a dead process's.  Forked processes have to :meth:`leave` it.

    :param path: the file, which is made; without one, or where files cannot be locked, only the
        threads queue.
    :param seconds: how long a thread waits for the others of its process.  For another process
        it waits as long as that takes: short of being stopped, until its commit.
    """

    def __init__(self, path: str | None, seconds: float) -> None:
        self._seconds = seconds
        self._path = path if _HAS_FILE_LOCKS else None
        self._threads = RLock()
        self._file: int | None = None
        self._is_paused = False

    def __enter__(self) -> None:
        try:
            if not self._threads.acquire(timeout=self._seconds):
                raise LedgerUnavailable(
                    f"Others have been writing to the database for {self._seconds} seconds."
                )
            self._lock()
        except BaseException:
            self.give_back()
            raise

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """End this thread's turn, if it has one; once more changes nothing.

        For who was interrupted and cannot tell.
        """
        if not self._threads.acquire(blocking=False):
            return  # it is another's
        try:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        except OSError:
            self._file = None  # closed by somebody else, and unlocked by that
        finally:
            with suppress(RuntimeError):  # all of them are given back
                while True:
                    self._threads.release()

    def _lock(self) -> None:
        if self._path is None:
            return
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            self._close()
            self._path = None

    def pause(self) -> None:
        """Wait for the thread whose turn it is, and let no other have one."""
        self._is_paused = self._threads.acquire(timeout=self._seconds)

    def resume(self) -> None:
        """End a pause."""
        if self._is_paused:
            self._threads.release()

    def leave(self) -> None:
        """In a forked process: whatever is locked is locked by its parent."""
        self._threads = RLock()
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
