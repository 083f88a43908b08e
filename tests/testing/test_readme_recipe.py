"""The recipe of docs/testing.md for a host's tests runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
CONFTEST, *SUITES = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def test_suite_in_the_documentation_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite in docs/testing.md passes, with warnings as errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(**{f"test_{number}": suite for number, suite in enumerate(SUITES)})
    tests = sum(suite.count("\ndef test_") for suite in SUITES)
    assert tests > 0
    pytester.runpytest_inprocess().assert_outcomes(passed=tests)
