"""Which of several processes currently handles the recorded events of a SQLite file.

Processes that pass the file to each other after every short transaction spend their time
waiting, and rereading what the others have written.  So one of them continues for a slice of
time, as long as its events are quick, and the others stand by.

All of it is a hint that expires: nothing relies on it, and nobody waits for it for long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from struct import Struct
from typing import Final

from .writer_lock import OpenFile, ask_until

SLICE_SECONDS: Final = 0.1
"""How long a process continues while others stand by."""

QUICK_SECONDS: Final = 0.002
"""An event that takes longer than this does not hold others up."""

PATIENCE_SECONDS: Final = 1.0
"""How long to stand by at most."""

PAUSE_SECONDS: Final = 0.001

_NOTE: Final = Struct("=qdq")
"""The id of the process whose slice it is, the slice's end, and the id of one that stands by."""


class Slices:
    """The slices of this process and of others.

    :param path: the file that they are noted in, created if missing; without one nobody stands by.
    :param me: returns the id of this process.
    :param clock: a clock in seconds that all processes on this machine share.
    """

    def __init__(
        self,
        path: str | None,
        me: Callable[[], int] = os.getpid,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path if hasattr(os, "pread") else None
        self._me = me
        self._clock = clock
        self._file: OpenFile | None = None
        self._ends_at = 0.0

    def enter(self) -> None:
        """Stand by during another process's slice; then start this one's."""
        ask_until(time.monotonic() + PATIENCE_SECONDS, self.try_to_enter, PAUSE_SECONDS)

    def try_to_enter(self) -> bool:
        """Whether this process has the slice, or may take it; if not, it stands by from now on.

        Several processes that try at the same moment may all get it.
        """
        if self._path is None:
            return True
        try:
            file = self._file
            if file is None:
                file = self._file = OpenFile(self._path, os.O_RDWR)
            return self._look_into(file)
        except OSError:
            self._path = None
            return True

    def close(self) -> None:
        """Close the file, which is opened again when it is needed."""
        self._file = None

    def _look_into(self, file: int) -> bool:
        me, now = self._me(), self._clock()
        text = os.pread(file, _NOTE.size, 0)
        owner, until, waiting = _NOTE.unpack(text) if len(text) == _NOTE.size else (0, 0.0, 0)
        if waiting == me:
            waiting = 0
        if owner == me and waiting and 0 < self._ends_at <= now:
            owner, until, waiting = waiting, now + QUICK_SECONDS, 0  # it has had its slice
        is_mine = owner == me or not now < until <= now + QUICK_SECONDS
        if is_mine:
            if owner != me or not self._ends_at:
                self._ends_at = now + SLICE_SECONDS
            owner, until = me, now + QUICK_SECONDS
        else:
            self._ends_at = 0.0
            waiting = waiting or me
        note = _NOTE.pack(owner, until, waiting)
        if note != text:
            os.pwrite(file, note, 0)
        return is_mine
