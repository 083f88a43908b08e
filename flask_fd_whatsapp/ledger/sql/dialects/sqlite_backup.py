"""Writes a SQLite database to another file while it is in use.

A copy of the file alone lacks the write-ahead log beside it, and a copy of both is torn if a
checkpoint runs meanwhile.  SQLite's own backup reads the pages of one snapshot.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from ....exceptions import FreshdeskWhatsAppError

PAGES: Final = 1024
"""Pages copied between progress reports: 4 MiB at SQLite's default page size."""

_FOLDER: Final = getattr(os, "O_DIRECTORY", None)
"""The flag to open a folder, where it exists."""

_WITHOUT_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""Error codes of file systems without hard links, such as some network shares."""


def write_backup(driver: Any, path: Path, tell: Callable[[int, int], None]) -> None:
    """Write what *driver* sees to *path*, which appears only once it is complete and checked.

    Never replaces an existing file.  At the end, file and name are durable.

    :param driver: a connection of the ``sqlite3`` module in a transaction that has read, so that
        its snapshot stays the same.
    :param tell: called with the number of pages copied, and their total.
    :raises FreshdeskWhatsAppError: if the file cannot be written, or is not sound.
    """
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}-", suffix=".partial", delete=False
        ) as made:
            partial = Path(made.name)
        try:
            with closing(sqlite3.connect(partial)) as copy:
                driver.backup(
                    copy,
                    pages=PAGES,
                    progress=lambda _, left, total: tell(total - left, total),
                )
                (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise FreshdeskWhatsAppError(
                    f"The backup is corrupt: {found}. The ledger's file may be, too: check it with "
                    "`PRAGMA integrity_check`, and keep the last good backup."
                )
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            _name(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise FreshdeskWhatsAppError(f"{path} exists: name a file that does not.") from error
    except (OSError, sqlite3.Error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise FreshdeskWhatsAppError(f"The backup {path} cannot be written: {reason}") from error


def _name(partial: Path, path: Path) -> None:
    """Give the file its name, unless another has appeared there meanwhile."""
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        path.touch(exist_ok=False)
        partial.replace(path)


def _sync_folder(folder: Path) -> None:
    """Make the names in it survive a power cut, where the file system supports that."""
    if _FOLDER is not None:
        descriptor = os.open(folder, os.O_RDONLY | _FOLDER)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)
