"""CONTRIBUTING.md, which says where to change what."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flask_fd_whatsapp"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MODULES = TEXT.partition("## How the code is organised")[2].partition("\n\n[The way")[0]


def test_files_that_contributing_names_are_there() -> None:
    """Every path that it names exists."""
    named = set(re.findall(r"`((?:flask_fd_whatsapp|tests|docs)/[\w/.]*)`", TEXT))
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_modules_that_contributing_names_are_there() -> None:
    """Every module and folder in the table of modules exists."""
    first_cells = re.findall(r"^\| (`.*?) \|", MODULES, re.MULTILINE)
    named = [name for cell in first_cells for name in re.findall(r"`([\w/.]+)`", cell)]
    assert len(named) > 20
    assert [name for name in named if not (PACKAGE / name).exists()] == []
