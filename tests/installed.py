"""Optional packages, installed or not as a test needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

OPTIONAL = ("sqlalchemy", "alembic", "psycopg", "pymysql", "celery")

Installed = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Make exactly these optional packages importable, whatever is installed."""

    def install(*names: str) -> None:
        for name in OPTIONAL:
            module = ModuleType(name) if name in names else None
            if module is not None:
                module.__spec__ = ModuleSpec(name, None)
            monkeypatch.setitem(sys.modules, name, module)

    return install
