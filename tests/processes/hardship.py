"""A full disk and an unwritable file, for separate processes."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE = 1
_BLOCK = bytes(65536)


def obey_file_modes() -> None:
    """In a process of root: let the next executable obey file permissions."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


def limit_file_size(process: int, size: int | None) -> None:
    """Let no file of a process grow beyond *size* bytes, like a quota; ``None`` removes the
    limit.
    """
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most if size is None else size, most))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Generator[Path]:
    """A separate file system; skips the test where none can be mounted."""
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"No file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Fill *disk*; return the file to remove."""
    filler = disk / "filler"
    size = len(_BLOCK)
    with filler.open("wb", buffering=0) as output:
        while size:
            try:
                output.write(_BLOCK[:size])
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2
    return filler
