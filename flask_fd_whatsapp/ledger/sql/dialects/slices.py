"""Which of several processes currently handles the recorded events of a SQLite file.

Processes that pass the file to each other after every short transaction spend their time
waiting, and rereading what the others have written.  So one of them continues for a slice of
time, as long as its handlers are quick, and the others stand by.

All of it is a hint that expires: nothing relies on it, and nobody waits for it for long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from struct import Struct
from typing import Final

from .writer_lock import OpenFile, ask_until

SLICE_SECONDS: Final = 2.0
"""How long a process continues at most while others stand by; after half of it, it may leave."""

BUSY_SECONDS: Final = 0.02
"""How long others stand by while it uses the file: some commits wait for the disk."""

QUICK_SECONDS: Final = 0.002
"""How long they stand by while it calls handlers: slower ones hold nobody up."""

PATIENCE_SECONDS: Final = 8.0
"""How long to stand by at most: less than a sweep's reservation of its events lasts."""

PAUSE_SECONDS: Final = 0.003
"""How often to look meanwhile: looking costs the one that continues, and so does noticing late."""

_NOTE: Final = Struct("=qdqd")
"""The process whose slice it is, until when others stand by unless it is kept, which of them has
done so for longest, and since when."""

_NOBODY: Final = (0, 0.0, 0, 0.0)

_UNTIL: Final = Struct("=d")
_PLACE_OF_UNTIL: Final = 8


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
        self._kept_until = 0.0
        self._stands_by_since = 0.0

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
            self._give_up()
            return True

    def keep(self, seconds: float) -> None:
        """From now on let others stand by for *seconds*, if this process has the slice."""
        now, file = self._clock(), self._file
        if now < self._kept_until and file is not None:
            self._kept_until = now + seconds
            try:
                os.pwrite(file, _UNTIL.pack(self._kept_until), _PLACE_OF_UNTIL)
            except OSError:
                self._give_up()

    def leave(self) -> None:
        """Let another process that stands by continue: this one has finished a batch."""
        now = self._clock()
        if now < self._kept_until and self._ends_at - now < SLICE_SECONDS / 2:
            self._ends_at = now
            self.try_to_enter()

    def close(self) -> None:
        """Close the file, which is opened again when it is needed."""
        self._file = None

    def _give_up(self) -> None:
        self._path = None
        self._kept_until = 0.0

    def _look_into(self, file: int) -> bool:
        me, text = self._me(), os.pread(file, _NOTE.size, 0)
        now = self._clock()  # not before: the end must not seem to be another clock's
        owner, until, waiting, since = _NOTE.unpack(text) if len(text) == _NOTE.size else _NOBODY
        if owner == me and waiting not in (0, me) and 0 < self._ends_at <= now:
            owner, until, waiting = waiting, now + BUSY_SECONDS, 0  # it has had its slice
        is_mine = owner == me or not now < until <= now + BUSY_SECONDS
        if is_mine:
            if owner != me or not self._ends_at:
                self._ends_at = now + SLICE_SECONDS
            owner, until = me, now + BUSY_SECONDS
            if waiting == me:
                waiting = 0
            self._kept_until, self._stands_by_since = until, 0.0
        else:
            self._ends_at = self._kept_until = 0.0
            self._stands_by_since = self._stands_by_since or now
            if not waiting or not since <= self._stands_by_since:
                waiting, since = me, self._stands_by_since
        note = _NOTE.pack(owner, until, waiting, since)
        if note != text:
            os.pwrite(file, note, 0)
        return is_mine
