"""The example of a host's own suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", [ROOT, ROOT / "examples" / "tickets"], ids=["root", "its own"])
@pytest.mark.slow
def test_suite_of_the_tickets_example_passes(folder: Path) -> None:
    """The suite of the tickets example passes on its own, started from anywhere."""
    suite = os.path.relpath(ROOT / "examples" / "tickets" / "tests", folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
