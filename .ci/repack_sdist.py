"""Packs an sdist anew, so that two builds of one commit are the same: setuptools dates it today."""

from __future__ import annotations

import gzip
import os
import sys
import tarfile
from pathlib import Path

path, date = Path(sys.argv[1]), int(os.environ["SOURCE_DATE_EPOCH"])
packed = path.with_suffix(".new")
with (
    tarfile.open(path) as given,
    packed.open("wb") as file,
    gzip.GzipFile("", "wb", fileobj=file, mtime=date) as zipped,
    tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as taken,
):
    for member in sorted(given.getmembers(), key=lambda member: member.name):
        member.mtime, member.uid, member.gid, member.uname, member.gname = date, 0, 0, "", ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        member.pax_headers = {}
        taken.addfile(member, given.extractfile(member) if member.isfile() else None)
packed.replace(path)
