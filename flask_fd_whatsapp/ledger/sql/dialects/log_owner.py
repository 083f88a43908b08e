"""Which file a write-ahead log beside SQLite's file belongs to.

SQLite applies a log to any file of the right name.  If a backup takes the file's place and the log
stays, pages of the previous file end up in the backup, which corrupts it.  So the inode numbers of
a log and its file are noted while they are in use.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final

from ....exceptions import LedgerUnavailable
from .writer_lock import OpenFile, ask_until

_NOTE: Final = Struct("=QQ")
"""The inode numbers of the file and of its log."""

_PLACE: Final = 64
"""Where the note is in the file ``-turn``: behind that of :mod:`.slices`."""

_NOTE_SECONDS: Final = 0.1
"""Far longer than another process takes from creating a log to noting it."""


def require_own_log(path: Path) -> None:
    """Check, before opening *path*, that the log beside it is not known to be another file's.

    :raises LedgerUnavailable: if it is, with the remedy.
    """
    if ask_until(time.monotonic() + _NOTE_SECONDS, lambda: not _has_anothers_log(path)):
        return
    log, index = (f"{path.name}{ending}" for ending in ("-wal", "-shm"))
    raise LedgerUnavailable(
        f"The ledger's file {path} was replaced, and {log} beside it belongs to the previous file: "
        f"together they would be corrupt. Put the previous file back: its latest events are in "
        f"{log}. Or, if the new one is a backup to be restored, stop all processes that use it, "
        f"and move {log} and {index} away."
    )


def note_log(path: Path) -> bool:
    """Note which log belongs to *path*, which is open, if that can be noted.

    :return: whether it has one; SQLite creates that of a new file with the first write.
    """
    if _has_anothers_log(path):
        return False
    found = _found(path)
    if found != _noted(path):
        # No log may be noted any longer than it exists: the next one may get its number.
        with suppress(OSError, AttributeError):  # Windows has no pwrite
            os.pwrite(OpenFile(f"{path}-turn", os.O_RDWR), _NOTE.pack(*found or (0, 0)), _PLACE)
    return found is not None


def _has_anothers_log(path: Path) -> bool:
    noted, found = _noted(path), _found(path)
    if noted is None or found is None or not _log_size(path):
        return False  # an empty log does no harm, and a new one has not been noted yet
    (noted_file, noted_log), (file, log) = noted, found
    return log == noted_log and file != noted_file


def _found(path: Path) -> tuple[int, int] | None:
    """The inode numbers of the file and of its log, if there are both."""
    with suppress(OSError):
        return path.stat().st_ino, Path(f"{path}-wal").stat().st_ino
    return None


def _log_size(path: Path) -> int:
    with suppress(OSError):
        return Path(f"{path}-wal").stat().st_size
    return 0


def _noted(path: Path) -> tuple[int, int] | None:
    with suppress(OSError, AttributeError):
        text = os.pread(OpenFile(f"{path}-turn", os.O_RDONLY), _NOTE.size, _PLACE)
        if len(text) == _NOTE.size and any(text):
            file, log = _NOTE.unpack(text)
            return file, log
    return None
