"""The names of the tests have to say what they test."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent


def names_in(path: Path) -> list[str]:
    """The test functions and methods of a module."""
    return [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def test_names_say_the_behaviour_and_stand_once() -> None:
    """A test's name is more than one word, and unique in its folder."""
    names = Counter(
        (path.parent.relative_to(TESTS).as_posix(), name)
        for path in TESTS.rglob("*.py")
        if path.parent.name != "typing"  # is checked but not run
        for name in names_in(path)
    )
    assert len(names) > 1000
    wanting = [name for name in names if "_" not in name[1].removeprefix("test_")]
    doubled = [name for name, count in names.items() if count > 1]
    assert (wanting, doubled) == ([], []), "say the behaviour in words, each in its own"
