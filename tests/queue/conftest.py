from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Payload
from ..ledger.databases import fresh_database
from .brokers import fresh_queue
from .system import System

MakeSystem = Callable[..., System]


@pytest.fixture
def make_system(tmp_path: Path, payload: Payload, empty_ledger_file: Path) -> Iterator[MakeSystem]:
    """A factory of systems, each with its own database and queue.

    ``broker`` is one of the kinds of :mod:`brokers`, or the URL of something else.
    """
    with ExitStack() as stack:

        def make(
            broker: str, database: str = "sqlite", *, lease: float = 60, **celery: Any
        ) -> System:
            url = stack.enter_context(fresh_database(database, tmp_path))
            if database == "sqlite":
                shutil.copy(empty_ledger_file, url.removeprefix("sqlite:///"))
            if "://" in broker:
                config: dict[str, Any] = {"broker_url": broker}
            else:
                config = stack.enter_context(fresh_queue(broker))
            system = System(tmp_path, url, {**config, **celery}, payload, lease)
            stack.callback(system.close)
            return system

        yield make
