"""Fails unless the wheel holds the package, whole, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile

PACKAGE = "flask_fd_whatsapp"

names = {
    name
    for name in ZipFile(sys.argv[1]).namelist()
    if not name.startswith(f"{PACKAGE}-") or ".dist-info/" not in name
}
wanted = {
    str(path)
    for path in Path(PACKAGE).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
for title, difference in (("Too much", names - wanted), ("Missing", wanted - names)):
    if difference:
        sys.exit(f"{title} in the wheel: {', '.join(sorted(difference))}")
print(f"The wheel holds the package alone: {len(names)} files.")  # noqa: T201
