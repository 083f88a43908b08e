"""Notices that SQLite's file was removed or replaced, by a restore, say, while it was open.

SQLite itself would carry on, writing to a deleted file that is gone with the process.  Opening
a missing file creates a new one, and SQLite then empties the write-ahead log beside it: what
others have recorded there would be lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ....exceptions import LedgerUnavailable
from .log_owner import note_log, require_own_log

_ENDINGS: Final = ("-wal", "-shm")
"""Suffixes of SQLite's write-ahead log and its index, beside the file."""

_OF_THE_FILE: Final = ("unable to open", "readonly", "disk I/O", "is full", "not a database")
"""SQLite's messages about a file that it cannot open, read or write."""


class DatabaseFile:
    """The file of the connections.

    :param path: where it is.
    :param on_replaced: is called when another file is in its place, to use that from then on.
    """

    def __init__(self, path: str, on_replaced: Callable[[], Any]) -> None:
        self._path = Path(path).absolute()
        self._on_replaced = on_replaced
        self._lock = threading.Lock()
        self._known: tuple[int, int] | None = None
        self._has_log = False

    def look(self) -> None:
        """Check that it is still the original file; costs two microseconds.

        :raises LedgerUnavailable: if it is gone; once, if another is in its place.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if self._known is None:
                require_no_log(self._path)
                return  # the first connection creates it
            raise _removed(self._path) from None
        except OSError:
            return  # SQLite reports what is wrong
        if (found.st_dev, found.st_ino) != self._known:
            self._note(found.st_dev, found.st_ino)
        elif not self._has_log:
            self._has_log = note_log(self._path)

    def named(self, error: LedgerUnavailable) -> LedgerUnavailable:
        """*error* with the path, if it is about the file, which SQLite does not name."""
        text = str(error)
        if not any(words in text for words in _OF_THE_FILE):
            return error
        return type(error)(f"{text} (the file is {self._path})")

    def _note(self, *found: int) -> None:
        with self._lock:
            if found == self._known:
                return
            is_first, self._known = self._known is None, (found[0], found[1])
            self._has_log = False
            if is_first:
                return
            self._on_replaced()
        require_own_log(self._path)
        raise LedgerUnavailable(
            f"The ledger's file {self._path} was replaced while it was in use. From now on events "
            "go to the new one; check it with `flask fd-whatsapp check`."
        )


def require_no_log(path: Path) -> None:
    """Check that no write-ahead log is in use beside *path* without the file.

    :raises LedgerUnavailable: if the file is gone, or empty, and its log is not.
    """
    # The log first: the file is always created before it.
    if any(_size(Path(f"{path}{ending}")) for ending in _ENDINGS) and not _size(path):
        raise _removed(path)


def _size(path: Path) -> int:
    """The size of a file in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _removed(path: Path) -> LedgerUnavailable:
    log, index = (f"{path.name}{ending}" for ending in _ENDINGS)
    return LedgerUnavailable(
        f"The ledger's file {path} was removed while it was in use. Put it back: its latest events "
        f"are in {log}. If it is really gone, stop all processes that use it, move {log} and "
        f"{index} away, and make a new one with `flask fd-whatsapp upgrade`."
    )


def file_of(database: str | None) -> str | None:
    """The path of an SQLAlchemy URL's *database*, if that is the name of a file."""
    if not database or database == ":memory:" or database.startswith("file:"):
        return None
    return database
